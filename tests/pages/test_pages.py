"""The pages as a browser gets them: what they are, what they may load, and that every link leads somewhere."""

import gzip
import re
from html.parser import HTMLParser

import pytest

from app.pages.markdown import chapters
from shared.errors import DomainError

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
GUIDE = [f"/docs/guide/{chapter.name}" for chapter in chapters().values()]
PAGES = ["/", "/docs", "/docs/guide", *GUIDE, "/problems", "/problems/version_mismatch", "/changelog"]
FOR_BOTH = ["/", "/problems", "/problems/version_mismatch"]


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def values(self, name):
        return [attributes[name] for _, attributes in self.found if name in attributes]


async def page(client, path):
    answer = await client.get(f"http://test{path}", headers=BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer


class TestEveryPage:
    @pytest.mark.parametrize("path", PAGES)
    async def test_has_no_script_and_no_style_in_it_and_may_have_none(self, client, path):
        answer = await page(client, path)
        policy = answer.headers.get_list("Content-Security-Policy")
        assert len(policy) == 1
        assert policy[0].startswith("default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'")
        assert "unsafe" not in policy[0]
        assert "script-src" not in policy[0]
        elements = Elements(answer.text)
        assert not {"style", "iframe", "form"} & {tag for tag, _ in elements.found}
        for tag, attributes in elements.found:
            assert tag != "script" or attributes["src"].startswith("/static/")
            assert not {name for name in attributes if name == "style" or name.startswith("on")}

    @pytest.mark.parametrize("path", PAGES)
    async def test_loads_nothing_from_elsewhere_and_names_what_is_there(self, client, path):
        """Files and links within the server, with the places in pages that links name."""
        elements = Elements((await page(client, path)).text)
        assert all(source.startswith("/static/") for source in elements.values("src"))
        loaded = [attributes["href"] for tag, attributes in elements.found if tag == "link"]
        assert loaded
        assert all(source.startswith("/static/") for source in loaded)
        for link in {*elements.values("src"), *elements.values("href")}:
            if link.startswith(("https://", "#", "/docs#/")):
                continue
            there = await client.get(f"http://test{link}", headers=BROWSER)
            assert there.status_code == 200, link
            _, _, place = link.partition("#")
            assert not place or place in Elements(there.text).values("id"), link

    @pytest.mark.parametrize("path", PAGES)
    async def test_is_made_for_phones_and_for_the_dark(self, client, path):
        named = {
            found.get("name"): found["content"]
            for _, found in Elements((await page(client, path)).text).found
            if "content" in found
        }
        assert named["viewport"] == "width=device-width, initial-scale=1"
        assert named["color-scheme"] == "light dark"

    @pytest.mark.parametrize("path", PAGES)
    async def test_is_asked_for_again_without_being_sent_again(self, client, path):
        got = await page(client, path)
        known = {"If-None-Match": f'"other", {got.headers["ETag"]}'}
        again = await client.get(f"http://test{path}", headers=BROWSER | known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == "no-cache"
        assert again.headers["Content-Security-Policy"] == got.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    @pytest.mark.parametrize("path", ["/", "/docs", "/docs/guide", "/changelog", "/static/pages.css"])
    async def test_is_only_read(self, client, path, method):
        answer = await client.request(method, f"http://test{path}")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}

    @pytest.mark.parametrize(
        "path", ["/redoc", "/docs/", "/docs/guide/nothing", "/docs/oauth2-redirect", "/static/x.js"]
    )
    async def test_that_is_not_there_is_a_problem(self, client, path):
        answer = await client.get(f"http://test{path}", headers=BROWSER)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_path")

    async def test_is_in_no_operation_of_the_document(self, client):
        """But the problems', which programs read, too."""
        paths = (await client.get("http://test/openapi.json")).json()["paths"]
        assert not [path for path in paths if not path.startswith(("/api/v1/", "/health/", "/problems"))]


class TestAPathForBoth:
    @pytest.mark.parametrize("path", FOR_BOTH)
    @pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.9"])
    async def test_gives_programs_json(self, client, path, accept):
        answer = await client.get(f"http://test{path}", headers={} if accept is None else {"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert "Accept" in answer.headers["Vary"].split(", ")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")

    @pytest.mark.parametrize("path", FOR_BOTH)
    async def test_tells_caches_that_it_gives_browsers_a_page(self, client, path):
        assert "Accept" in (await page(client, path)).headers["Vary"].split(", ")

    @pytest.mark.parametrize("path", FOR_BOTH)
    async def test_answers_head_alike(self, client, path):
        got, asked = await page(client, path), await client.head(f"http://test{path}", headers=BROWSER)
        assert asked.headers["Content-Length"] == got.headers["Content-Length"]
        assert asked.content == b""

    @pytest.mark.parametrize("path", ["/problems", "/problems/{code}"])
    async def test_says_so_in_the_document(self, client, path):
        document = (await client.get("http://test/openapi.json")).json()
        assert [*document["paths"][path]["get"]["responses"]["200"]["content"]] == ["application/json", "text/html"]

    async def test_leads_programs_on(self, client):
        links = (await client.get("http://test/")).json()["links"]
        assert links.keys() == {"docs", "guide", "openapi", "problems", "changelog", "health"}
        for link in links.values():
            assert (await client.get(f"http://test{link}")).status_code == 200


class TestAFile:
    @pytest.mark.parametrize("name", ["pages.css", "swagger-ui-bundle.js", "icon.svg"])
    async def test_is_kept_for_a_year_by_who_asks_for_this_version(self, client, name):
        (url,) = {
            url
            for path in ("/", "/docs")
            for url in re.findall(rf'"(/static/{re.escape(name)}\?v=\w+)"', (await page(client, path)).text)
        }
        answer = await client.get(f"http://test{url}")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"].endswith("; charset=utf-8")

    @pytest.mark.parametrize("version", ["", "?v=123456789abc"])
    async def test_of_another_version_is_asked_for_again_each_time(self, client, version):
        """While a release is rolled out, a page of the one may get a file of the other."""
        answer = await client.get(f"http://test/static/pages.css{version}")
        assert answer.headers["Cache-Control"] == "no-cache"
        known = {"If-None-Match": answer.headers["ETag"]}
        assert (await client.get(f"http://test/static/pages.css{version}", headers=known)).status_code == 304

    @pytest.mark.parametrize(
        ("accepted", "is_compressed"),
        [
            ("gzip", True),
            ("br, GZIP;q=0.5", True),
            ("gzip;q=0", False),
            ("gzip; q=0.000", False),
            ("br", False),
            ("", False),
        ],
    )
    async def test_is_compressed_for_who_takes_that(self, client, accepted, is_compressed):
        url = "http://test/static/swagger-ui-bundle.js"
        async with client.stream("GET", url, headers={"Accept-Encoding": accepted}) as answer:
            sent = b"".join([part async for part in answer.aiter_raw()])
        assert (answer.headers.get("Content-Encoding") == "gzip") is is_compressed
        assert "Accept-Encoding" in answer.headers["Vary"].split(", ")
        whole = gzip.decompress(sent) if is_compressed else sent
        assert b"SwaggerUIBundle" in whole
        assert len(sent) < len(whole) / 3 or not is_compressed


class TestTheReference:
    async def test_leaves_no_password_in_the_browser(self, client):
        """Swagger UI would put it into localStorage, from which every script of the origin could read it."""
        script = (await client.get("http://test/static/reference.js")).text
        assert "persistAuthorization: false" in script
        assert not re.search("localStorage|sessionStorage|cookie", script)


class TestTheChangelog:
    async def test_is_that_of_the_repository(self, client):
        assert '<h2 id="unreleased">Unreleased</h2>' in (await page(client, "/changelog")).text


class TestAPageOfAProblem:
    async def test_is_there_for_each(self, client):
        for code in [
            code for code in DomainError.catalogue if not DomainError.catalogue[code].__module__.startswith("tests")
        ]:
            text = (await page(client, f"/problems/{code}")).text
            assert f"<code>{code}</code>" in text
            assert "How to mend it" in text

    async def test_says_what_happened_and_how_to_mend_it(self, client):
        text = (await page(client, "/problems/version_mismatch")).text
        assert "This was changed meanwhile." in text
        assert (
            "no resource here to compare <code>If-Match</code> with"
            in (await page(client, "/problems/precondition_failed")).text
        )
        assert '<a href="/docs/guide/changing">send it with the new <code>ETag</code></a>' in text
