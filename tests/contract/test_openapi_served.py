"""`GET /openapi.json`: a document that clients keep, and get compressed."""

import asyncio
import gzip
import json
import re
import time

import pytest

from app.asgi import create_app

PATH = "http://test/openapi.json"


async def asked(client, coding, **headers):
    """The answer, as it was sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream("GET", PATH, headers={"Accept-Encoding": coding, **named}) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


class TestTheDocument:
    @pytest.mark.parametrize("coding", ["gzip", "br, gzip;q=0.5", "GZIP", "x-gzip", "gzip; q=1.0"])
    async def test_is_compressed_for_whoever_takes_it_so(self, client, coding):
        whole, content = await asked(client, "identity")
        packed, fewer = await asked(client, coding)
        assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert gzip.decompress(fewer) == content
        assert len(fewer) < len(content) / 5
        assert packed.headers["ETag"] != whole.headers["ETag"]

    @pytest.mark.parametrize("coding", ["", "identity", "br", "gzip;q=0", "gzip;q=0.000", "*;q=0"])
    async def test_is_sent_whole_to_others(self, client, coding):
        answer, content = await asked(client, coding)
        assert "Content-Encoding" not in answer.headers
        assert (answer.headers["Vary"], content[:1]) == ("Accept-Encoding", b"{")

    @pytest.mark.parametrize("coding", ["gzip", "identity"])
    async def test_is_not_sent_again_to_whoever_has_it(self, client, coding):
        first, _ = await asked(client, coding)
        tag = first.headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]{24}(-gzip)?"', tag)
        same, nothing = await asked(client, coding, If_None_Match=f'"other", {tag}')
        assert (same.status_code, same.headers["ETag"], nothing) == (304, tag, b"")
        assert "Content-Encoding" not in same.headers
        other, content = await asked(client, coding, If_None_Match='"other"')
        assert other.status_code == 200
        assert content

    async def test_is_made_once_however_many_ask_for_it_at_once(self, application):
        """The server's thread that makes it at the start, and whoever asks for a problem's page meanwhile."""
        fresh = create_app(application)

        def asked_after(seconds: float) -> str:
            time.sleep(seconds)
            return json.dumps(fresh.openapi())

        asked = [asyncio.to_thread(asked_after, n / 20) for n in range(5)]
        assert {*await asyncio.gather(*asked)} == {json.dumps(fresh.openapi())}

    async def test_is_completed_again_when_routes_have_come_and_gone(self, application):
        """FastAPI makes another one then."""
        fresh = create_app(application)
        before = fresh.openapi()
        fresh.add_api_route("/later", lambda: None)
        fresh.router.routes.pop()
        assert fresh.openapi() is not before
        assert fresh.openapi() == before

    async def test_is_the_one_of_the_application(self, app, client):
        answer = await client.get(PATH)
        assert answer.json() == app.openapi()
        assert answer.headers["Content-Type"] == "application/json"
