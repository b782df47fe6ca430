"""The pages, each made when it is first asked for, and kept."""

import json
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.pages.assets import asset_url
from app.pages.markdown import GUIDE, chapters, guide_link, inline, rendered, sections
from app.pages.operations import Operation, number_of_operations, operations_by_code
from shared.errors import DomainError
from shared.http.edge import JSON, status_of
from shared.http.reads import Content

LINKS = {
    "docs": "/docs",
    "guide": "/docs/guide",
    "openapi": "/openapi.json",
    "problems": "/problems",
    "changelog": "/changelog",
    "health": "/health/ready",
}
"""Where a client goes on from `/`."""

CHANGELOG = "CHANGELOG.md"
FIRST_SESSION = "docs/guide/first-session.md"
ERRORS = "docs/guide/errors.md"
"""Its sections say how to mend a problem: one for each status, and for some codes one in addition."""

_OWN = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _OWN,
}
_OF_SWAGGER_UI = _HEADERS | {"Content-Security-Policy": f"{_OWN}; img-src 'self' data:"}
"""Its style sheet has images in it."""
_ONE_OF_TWO = _HEADERS | {"Vary": "Accept"}

_tag = attrgetter("tag")


class Pages:
    """The pages of an application, by path."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["inline"] = inline
        self._templates.globals |= {"asset": asset_url, "links": LINKS, "version": app.version}
        self._chapters = {f"{LINKS['guide']}/{chapter.name}": chapter for chapter in chapters().values()}
        self._urls = {chapter.file: url for url, chapter in self._chapters.items()}
        self._urls |= {GUIDE: LINKS["guide"], CHANGELOG: LINKS["changelog"]}
        self._makers: Mapping[str, Callable[[], Content]] = {
            "/": self._entry,
            LINKS["docs"]: self._reference,
            LINKS["guide"]: self._guide,
            LINKS["problems"]: self._problems,
            LINKS["changelog"]: self._changelog,
            **{url: partial(self._chapter, url) for url in self._chapters},
        }
        self._kept: dict[str, Content] = {}

    def at(self, path: str) -> Content | None:
        """The page at a path, if there is one."""
        code = path.removeprefix(f"{LINKS['problems']}/")
        make = partial(self._problem, code) if code in DomainError.catalogue else self._makers.get(path)
        if path not in self._kept and make is not None:
            self._kept[path] = make()
        return self._kept.get(path)

    @cached_property
    def links(self) -> Content:
        """What programs get in the place of the first page."""
        app = self._app
        document = {"name": app.title, "version": app.version, "description": app.description, "links": LINKS}
        return Content(json.dumps(document).encode(), JSON, {"Cache-Control": "no-cache", "Vary": "Accept"})

    def _entry(self) -> Content:
        session = self._markdown(FIRST_SESSION)
        return self._page("entry.html", _ONE_OF_TWO, session=session)

    def _reference(self) -> Content:
        return self._page("reference.html", _OF_SWAGGER_UI)

    def _guide(self) -> Content:
        return self._page("text.html", title="Guide", text=self._markdown(GUIDE))

    def _chapter(self, url: str) -> Content:
        chapter = self._chapters[url]
        text = self._markdown(chapter.file)
        return self._page("chapter.html", title=chapter.title, text=text, chapters=self._chapters, here=url)

    def _changelog(self) -> Content:
        return self._page("text.html", title="Changelog", text=self._markdown(CHANGELOG))

    def _problems(self) -> Content:
        errors = sorted(DomainError.catalogue.values(), key=lambda error: (status_of(error), error.code))
        by_status = [(status, list(kinds)) for status, kinds in groupby(errors, status_of)]
        return self._page("problems.html", _ONE_OF_TWO, by_status=by_status)

    def _problem(self, code: str) -> Content:
        error, operations = DomainError.catalogue[code], sorted(self._operations.get(code, []), key=_tag)
        status = status_of(error)
        advice = [self._advice[key] for key in (code, str(status.value)) if key in self._advice]
        answered = {
            "tags": [(tag, list(some)) for tag, some in groupby(operations, _tag)],
            "is_everywhere": len(operations) == number_of_operations(self._app.openapi()),
        }
        return self._page("problem.html", _ONE_OF_TWO, error=error, status=status, advice=advice, **answered)

    @cached_property
    def _operations(self) -> Mapping[str, list[Operation]]:
        return operations_by_code(self._app.openapi())

    @cached_property
    def _advice(self) -> Mapping[str, Markup]:
        return sections(ERRORS, guide_link(ERRORS, self._urls))

    def _markdown(self, file: str) -> Markup:
        return rendered(file, guide_link(file, self._urls))

    def _page(self, template: str, headers: Mapping[str, str] = _HEADERS, **values: Any) -> Content:
        text = self._templates.get_template(template).render(values)
        return Content(text.encode(), "text/html; charset=utf-8", headers)
