"""Slugs: short names of tags for use in links."""

import re
import unicodedata

LONGEST = 50
LONGEST_TEXT = 200
"""The most text that is normalised, which takes quadratic time in a run of combining marks."""


def slugified(name: str) -> str:
    """Lower case, words joined by hyphens; Latin letters lose their accents, those of other scripts stay as they are.

    Empty for a name that has neither letters nor digits.
    """
    return _joined(_folded(name[:LONGEST_TEXT]))[:LONGEST].rstrip("-")


def normalised_slug(text: str) -> str | None:
    """The text as a slug; None for text that is not one, since its words would have to be joined."""
    if len(text) > LONGEST_TEXT:
        return None
    slug = _folded(text)
    return slug if 0 < len(slug) <= LONGEST and slug == _joined(slug) else None


def _folded(text: str) -> str:
    for _ in range(2):  # What decomposes may have a case: 𝕬 is an A (Unicode §3.13, D146).
        text = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", re.sub(r"([a-z])[\u0300-\u036f]+", r"\1", text))


def _joined(text: str) -> str:
    # A mark belongs to the letter before it: without its vowel signs, a Hindi word would be another one.
    parts = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return "-".join("".join(parts).split())
