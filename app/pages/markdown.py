"""Markdown files as HTML: the guide, which is docs/guide/README.md and the pages it links to, and the changelog."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

ROOT = Path(__file__).parents[2]
"""Where the guide and the changelog are, as alembic.ini is."""
GUIDE = "docs/guide/README.md"

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")

Link = Callable[[str], str]
"""What a link becomes on a page."""


@dataclass(frozen=True)
class Chapter:
    """A page of the guide."""

    name: str
    """In the page's URL."""
    title: str
    file: str
    """Relative to ROOT."""


def chapters() -> Mapping[str, Chapter]:
    """Those of the guide, by file, in the order in which its first page links to them."""
    found = {}
    for token in _inline(_MARKDOWN.parse((ROOT / GUIDE).read_text())):
        href = str(token.attrGet("href") or "")
        if token.type == "link_open" and _is_file(href):
            file = _beside(GUIDE, href)
            found[file] = Chapter(Path(file).stem, _title((ROOT / file).read_text()), file)
    return found


def rendered(file: str, link: Link = str) -> Markup:
    """A file as HTML. Its headings can be linked to. Raises LookupError for a link to a file that is no page."""
    return _rendered(_tokens(file, link))


def inline(text: str) -> Markup:
    """A sentence as HTML."""
    return Markup(_MARKDOWN.renderInline(text))  # noqa: S704


def sections(file: str, link: Link = str) -> Mapping[str, Markup]:
    """What stands below each heading, up to the next, by the heading's first word."""
    tokens = _tokens(file, link)
    starts = [number for number, token in enumerate(tokens) if token.type == "heading_open"]
    return {
        tokens[start + 1].content.split()[0].strip("`"): _rendered(tokens[start + 3 : end])
        for start, end in pairwise([*starts, len(tokens)])
    }


def guide_link(file: str, urls: Mapping[str, str]) -> Link:
    """Turns links from this file to other files into those of pages, by the URL of each file that is a page."""

    def link(href: str) -> str:
        if not _is_file(href):
            return href
        path, mark, anchor = href.partition("#")
        return urls[_beside(file, path)] + mark + anchor

    return link


def _tokens(file: str, link: Link) -> list[Token]:
    tokens = _MARKDOWN.parse((ROOT / file).read_text())
    for heading, text in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", re.sub(r"\W+", "-", text.content.lower()).strip("-"))
    for token in _inline(tokens):
        if token.type == "link_open":
            token.attrSet("href", link(str(token.attrGet("href"))))
    return tokens


def _rendered(tokens: list[Token]) -> Markup:
    # markdown-it escapes what the file has of HTML, since it was told so above.
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704


def _inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from token.children or ()


def _is_file(href: str) -> bool:
    return ".md" in href and "://" not in href


def _beside(file: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), href))


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")
