"""Pages for people: the entry, the API reference, the guide, the problems and the changelog.

They are made of what is there anyway: the OpenAPI document, the catalogue of problems, docs/guide/ and CHANGELOG.md.
A page loads files of this server alone, and no script or style stands in it: its Content-Security-Policy allows
neither. The pages know no module, no row and no caller.
"""

from app.pages.routes import install_pages

__all__ = ["install_pages"]
