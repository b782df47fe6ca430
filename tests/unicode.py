"""How a test tells that no text of a client's size is normalised."""

import unicodedata

_normalize = unicodedata.normalize


def short_normalize(form, text):
    """In the place of `unicodedata.normalize`, which takes time in the square of a run of combining marks."""
    assert len(text) < 1000, f"{len(text)} characters are normalised."
    return _normalize(form, text)
