"""What app/pages/assets.py relies on and fastapi-offline does not promise: it brings the files of Swagger UI along."""

import re

from app.pages.assets import SWAGGER_UI
from tests.seams.sentences import relied_on


class TestSwaggerUi:
    def test_is_in_its_folder(self):
        with relied_on("fastapi-offline", "where it has the files of Swagger UI", "app/pages/assets.py"):
            script = (SWAGGER_UI / "swagger-ui-bundle.js").read_text()
            assert "SwaggerUIBundle" in script
            assert (SWAGGER_UI / "swagger-ui.css").read_text().startswith(".swagger-ui")

    def test_reads_documents_of_openapi_3_1_and_has_dark_colours(self):
        with relied_on("fastapi-offline", "which Swagger UI it has", "app/pages/static/reference.js"):
            (version,) = re.findall(r'PACKAGE_VERSION:"5\.(\d+)\.', (SWAGGER_UI / "swagger-ui-bundle.js").read_text())
            assert int(version) >= 31
            assert "html.dark-mode" in (SWAGGER_UI / "swagger-ui.css").read_text()

    def test_names_no_other_host_in_its_style_sheet(self):
        """Its script is watched by the browser in tests/pages/test_in_chromium.py."""
        with relied_on("fastapi-offline", "what its style sheet loads", "app/pages/pages.py"):
            loaded = re.findall(r"url\(\"?([^)]{0,20})", (SWAGGER_UI / "swagger-ui.css").read_text())
            assert loaded
            assert all(source.startswith("data:image/") for source in loaded)
