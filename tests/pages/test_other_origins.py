"""A page of another origin, in a real browser: what it may do depends on its origin alone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.database import clone
from tests.pages.browser import chromium, needs_chromium, watched
from tests.servers import Server, serving

pytestmark = needs_chromium

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
CALLS = """
async ([api, account]) => {
    const json = {"Content-Type": "application/json"};
    await fetch(api + "/users", {method: "POST", headers: json, body: JSON.stringify(account)});
    const form = new URLSearchParams({grant_type: "password", username: account.email, password: account.password});
    const tokens = await (await fetch(api + "/auth/token", {method: "POST", body: form})).json();
    const mine = {Authorization: "Bearer " + tokens.access_token};
    const read = await fetch(api + "/users/me", {headers: mine});
    const change = {...mine, "Content-Type": "application/merge-patch+json", "If-Match": read.headers.get("ETag")};
    const options = {method: "PATCH", headers: change, body: '{"full_name": "Changed"}'};
    const changed = await fetch(api + "/users/me", options);
    const stale = await fetch(api + "/users/me", options);
    return {
        tag: read.headers.get("ETag"),
        id: read.headers.get("X-Request-ID"),
        name: (await changed.json()).full_name,
        refused: (await stale.json()).code,
        present: stale.headers.get("ETag") === changed.headers.get("ETag"),
    };
}
"""


class Blank(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>A page</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server of pages, which has two origins: one by its name, and one by its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        yield pages.server_port
        pages.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(port, tmp_path_factory) -> Iterator[Server]:
    allowed = {"TRELLIS_CORS_ORIGINS": f"https://app.example.com http://127.0.0.1:{port}"}
    with clone("origins") as url, serving(tmp_path_factory.mktemp("origins"), DATABASE_URL=url, **allowed) as server:
        yield server


class TestAPageOfAnotherOrigin:
    async def test_that_is_allowed_reads_tags_and_changes_the_version_that_it_has_read(self, server, port):
        async with chromium() as browser, watched(browser, f"http://127.0.0.1:{port}") as seen:
            await seen.open("/")
            done = await seen.page.evaluate(CALLS, [f"{server.url}/api/v1", ACCOUNT])
        assert done["tag"].startswith('"1-')
        assert done["id"]
        assert (done["name"], done["refused"], done["present"]) == ("Changed", "version_mismatch", True)

    async def test_that_is_not_allowed_reads_and_changes_nothing(self, server, port):
        stranger = ACCOUNT | {"email": "eve@example.com"}
        async with chromium() as browser, watched(browser, f"http://localhost:{port}") as seen:
            await seen.open("/")
            tried = f"([api, account]) => ({CALLS})([api, account]).catch(String)"
            assert await seen.page.evaluate(tried, [f"{server.url}/api/v1", stranger]) == "TypeError: Failed to fetch"
            simple = "api => fetch(api + '/users/me').then(answer => answer.text()).catch(String)"
            assert await seen.page.evaluate(simple, f"{server.url}/api/v1") == "TypeError: Failed to fetch"
            assert any("CORS policy" in complaint for complaint in seen.complaints)
        registered = server.post("/api/v1/users", json=stranger)
        assert registered.status_code == 201, "The browser has sent what the page may not send."
