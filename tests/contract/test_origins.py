"""Web pages of other origins (CORS, the Fetch standard): which may call, and what they may read."""

import re

import pytest
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr

from app.asgi import create_app
from app.container import compose
from shared.http.edge import origins
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import BASE, signed_in

OURS, ALSO_OURS = "https://app.example.com", "http://localhost:5173"
STRANGERS = (
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com/",
    "HTTPS://APP.EXAMPLE.COM",
    f"{OURS} {ALSO_OURS}",
    f"{OURS}, https://evil.example",
    "null",
    "*",
    "",
)
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"


@pytest.fixture(scope="module")
def opened(settings, application):
    changes = {"cors_origins": f"{OURS} {ALSO_OURS}", "address_limit": "1000/99999"}
    opened = compose(settings.model_copy(update=changes), discover())
    opened.kernel.database.override(application.kernel.database())
    return opened, create_app(opened)


@pytest.fixture
async def ann(opened, database):
    application, app = opened
    async with await signed_in(app, application) as ann:
        yield ann


@pytest.fixture
async def somebody(opened, database):
    transport = ASGITransport(opened[1], raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=BASE) as somebody:
        yield somebody


def asked(method="PATCH", origin=OURS, headers="authorization,if-match"):
    """The headers of a preflight."""
    found = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return found | ({"Origin": origin} if origin is not None else {})


def units_left(answer):
    return int(re.search(r"r=(\d+)", answer.headers["RateLimit"])[1])


class TestAPageThatMayCall:
    @pytest.mark.parametrize("origin", [OURS, ALSO_OURS])
    async def test_reads_the_answer_and_the_headers_that_matter(self, ann, origin):
        answer = await ann.get("/users/me", headers={"Origin": origin})
        assert answer.headers[ALLOW] == origin
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        exposed = {name.strip().lower() for name in answer.headers[EXPOSE].split(",")}
        assert exposed >= {"etag", "link", "location", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"}
        assert exposed >= {"idempotency-replayed", "x-consistency", "deprecation", "sunset"}
        assert exposed >= {"accept", "accept-patch", "accept-query", "allow"}

    async def test_is_never_sent_cookies_nor_a_wildcard(self, ann):
        answer = await ann.get("/users/me", headers={"Origin": OURS})
        assert "access-control-allow-credentials" not in answer.headers
        assert "*" not in "".join(value for name, value in answer.headers.items() if name.startswith("access-control"))

    async def test_reads_what_is_wrong_as_well(self, ann, somebody):
        for answer in (
            await somebody.get("/users/me", headers={"Origin": OURS}),
            await somebody.get("http://test/nowhere", headers={"Origin": OURS}),
            await ann.post("/projects", content=b"{", headers={"Origin": OURS, "Content-Type": "application/json"}),
            await ann.post("/projects", content=b" " * (2 << 20), headers={"Origin": OURS}),
            await ann.options("/projects", headers={"Origin": OURS}),
        ):
            assert answer.status_code >= 400
            assert answer.headers[ALLOW] == OURS

    async def test_gets_what_varies_otherwise_as_before(self, ann):
        answer = await ann.get("/projects/export", headers={"Origin": OURS})
        assert {name.strip() for name in answer.headers["Vary"].split(",")} == {"Accept", "Origin"}


class TestAPageThatMayNot:
    @pytest.mark.parametrize("origin", STRANGERS)
    async def test_is_told_nothing_by_its_browser(self, ann, somebody, origin):
        answers = (
            await ann.get("/users/me", headers={"Origin": origin}),
            await somebody.options("/projects", headers=asked(origin=origin)),
        )
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert answer.headers["Vary"] == "Origin"  # Or a cache gave one page's answer to another.
        assert answers[1].status_code == 405

    async def test_is_every_page_where_no_origin_is_named(self, client):
        answer = await client.get("/projects", headers={"Origin": OURS})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Vary" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


class TestAPreflight:
    async def test_allows_what_clients_send(self, somebody):
        answer = await somebody.options("/projects/x", headers=asked())
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers[ALLOW] == OURS
        methods = {name.strip() for name in answer.headers["Access-Control-Allow-Methods"].split(",")}
        assert methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY"}
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert allowed >= {"authorization", "content-type", "if-match", "if-none-match", "idempotency-key", "prefer"}
        assert int(answer.headers["Access-Control-Max-Age"]) == origins.MAX_AGE

    async def test_costs_nothing(self, somebody):
        """Browsers send it of their own accord."""
        before = await somebody.get("http://test/health/live")
        for path in ("/projects", "http://test/nowhere"):
            answer = await somebody.options(path, headers=asked())
            assert answer.status_code == 204
            assert "RateLimit" not in answer.headers
        after = await somebody.get("http://test/health/live")
        assert units_left(before) - units_left(after) in {0, 1}, "It grows again with the time."

    @pytest.mark.parametrize("without", ["Origin", "Access-Control-Request-Method"])
    async def test_is_no_other_request(self, somebody, without):
        headers = {name: value for name, value in asked().items() if name != without}
        assert (await somebody.options("/projects", headers=headers)).status_code == 405


class TestTheHeadersThatAPageMayRead:
    def test_are_all_that_answers_have_for_clients(self, app):
        """One that is described in the document and not exposed could be read by programs only."""
        described = {name.lower() for name in app.openapi()["components"]["headers"]}
        exposed = {name.strip().lower() for name in origins.EXPOSED.split(",")}
        safelisted = {"cache-control", "content-type", "content-language", "content-length", "expires", "last-modified"}
        assert described - exposed - safelisted == {"vary", "content-encoding"}


class TestTheSetting:
    @pytest.mark.parametrize(
        "given",
        [
            *("*", "null", "https://*.example.com", ".example.com", "https://app.example.com/", "app.example.com"),
            *("https://app.example.com:443", "http://localhost:80", "https://APP.example.com", "https://x:99999"),
            *("https://user@app.example.com", "https://app.example.com,https://b.example.com"),
        ],
    )
    def test_takes_nothing_that_no_browser_sends(self, given):
        with pytest.raises(ValueError, match="as browsers send them"):
            Settings(DATABASE_URL="postgresql://x/y", secret=SecretStr("s" * 40), cors_origins=f"{OURS} {given}")
