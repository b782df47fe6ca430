"""Slugs, for names of every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.tags.slugs import LONGEST, normalised_slug, slugified
from tests.unicode import short_normalize


class TestOfAName:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("To do!", "to-do"),
            ("Grüße an  alle", "grusse-an-alle"),
            ("C'est l'été", "c-est-l-ete"),
            ("İstanbul", "istanbul"),
            ("हिन्दी काम", "हिन्दी-काम"),
            ("がか", "がか"),
            ("й и", "й-и"),
            ("日本語", "日本語"),
            ("_x_", "x"),
            ("𝕬 ㎒", "a-mhz"),
            ("🎉", ""),
        ],
    )
    def test_keeps_what_tells_words_apart(self, name, slug):
        assert slugified(name) == slug

    def test_is_made_of_no_more_than_a_name_can_have(self, monkeypatch):
        monkeypatch.setattr("unicodedata.normalize", short_normalize)
        assert slugified("a" + "\u0301" * 150_000) == "a"

    @given(st.text())
    def test_is_a_slug_or_empty(self, name):
        slug = slugified(name)
        assert len(slug) <= LONGEST
        assert slug == "" or normalised_slug(slug) == slug


class TestOfASlug:
    @given(st.text())
    def test_what_one_reads_one_may_write(self, text):
        slug = normalised_slug(text)
        assert slug is None or normalised_slug(slug) == slug
