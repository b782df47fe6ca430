"""What app/asgi.py relies on and fastapi-offline does not promise: documentation that needs no other host."""

import re

import pytest

from tests.seams.sentences import relied_on


class TestTheDocumentation:
    @pytest.mark.parametrize("page", ["/docs", "/redoc"])
    async def test_loads_its_files_from_here(self, client, page):
        answer = await client.get(f"http://test{page}")
        with relied_on("fastapi-offline", "where its pages load their files from", "app/asgi.py"):
            assert answer.status_code == 200
            loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
            assert loaded
            for path in loaded:
                assert path.startswith("/static-offline-docs/")
                assert (await client.get(f"http://test{path}")).status_code == 200

    async def test_is_in_the_application_that_it_makes(self, app):
        """With the arguments that FastAPI takes, and no route of its own in the OpenAPI document."""
        with relied_on("fastapi-offline", "what `FastAPIOffline` makes", "app/asgi.py"):
            assert app.title == "Trellis"
            assert not app.router.redirect_slashes
            assert not {"/docs", "/redoc"} & app.openapi()["paths"].keys()
