"""docs/openapi.json and docs/api.md are what the application is; CHANGELOG.md names each change that breaks clients."""

import pytest

from shared.manifest import discover
from tests.openapi.alternatives import Json
from tests.openapi.api_md import api_md
from tests.openapi.differences import Change, differences
from tests.openapi.document import (
    API_MD,
    CHANGELOG,
    RELEASED,
    SNAPSHOT,
    added,
    completed,
    kept,
    newest_release,
    of_the_others,
    own_part,
    part_of,
    unnamed,
    written,
)
from tests.openapi.document import document as document_of_the_application

GONE = "removed: field `Tag.color` in answers of tags_get, tags_list"


@pytest.fixture(scope="module")
def document():
    """Of the modules that docs/openapi.json knows."""
    return of_the_others(kept(SNAPSHOT))


class TestTheSnapshot:
    def test_is_the_document_of_the_application(self, document):
        changes = [change.sentence for change in differences(kept(SNAPSHOT), document)]
        assert changes == [], "The contract changed. Run `make openapi`, and commit what it writes."

    def test_is_written_the_same_on_every_machine(self, document, monkeypatch):
        assert SNAPSHOT.read_text(encoding="utf-8") == written(document)
        monkeypatch.setenv("TRELLIS_REQUIRE_IF_MATCH", "true")
        monkeypatch.setenv("TRELLIS_MAX_BODY_BYTES", "1024")
        monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/other")
        assert written(of_the_others(kept(SNAPSHOT))) == written(document)


LAST = discover()[-1].name
"""Nobody requires it."""


class TestAModuleThatWasAdded:
    def test_keeps_its_part_in_its_folder(self, document):
        for name in added(kept(SNAPSHOT)):
            assert part_of(name).exists(), "Run `make openapi`, and commit what it writes."
            before, after = (completed(part, document) for part in (kept(part_of(name)), own_part(name)))
            changes = [change.sentence for change in differences(before, after)]
            assert changes == [], "The contract changed. Run `make openapi`, and commit what it writes."
            assert part_of(name).read_text(encoding="utf-8") == written(own_part(name))

    def test_is_none_of_the_document(self):
        """Neither its paths nor the names that come with them, so that to add it changes no file but its own."""
        part = own_part(LAST)
        before: Json = {"paths": {path: {} for path in kept(SNAPSHOT)["paths"] if path not in part["paths"]}}
        assert LAST in added(before)
        without = of_the_others(before)
        assert not without["paths"].keys() & part["paths"].keys()
        assert LAST not in str(without["components"]["schemas"]["ChangeRead"])

    def test_has_all_that_is_its_own(self):
        """With the components that it shares, it is what the whole document says of it."""
        part, whole = own_part(LAST), document_of_the_application()
        others = of_the_others({"paths": {path: {} for path in whole["paths"] if path not in part["paths"]}})
        assert len(part["paths"]) > 0
        assert differences(completed({**part, "components": {}}, whole), completed(part, others)) == []
        with pytest.raises(KeyError):
            completed({**part, "components": {}}, others)


class TestThePage:
    def test_is_written_from_the_document(self, document):
        assert API_MD.read_text(encoding="utf-8") == api_md(document), "Run `make openapi`, and commit what it writes."


class TestABreakingChange:
    def test_is_named_in_the_changelog(self, document):
        """In the Unreleased section, in the words that this prints; prose may follow them."""
        assert unnamed(differences(kept(RELEASED), document), CHANGELOG.read_text(encoding="utf-8")) == []

    def test_is_one_since_the_newest_release(self):
        """The released document is replaced with a release and at no other time, or a change could be hidden."""
        released = newest_release(CHANGELOG.read_text(encoding="utf-8"))
        assert released in (None, kept(RELEASED)["info"]["version"])

    @pytest.mark.parametrize(
        ("item", "is_named"),
        [
            (f"- {GONE}", True),
            (f"- {GONE}: take `style`.", True),
            (f"- A tag has a style.\n  {GONE}. It was never shown.", True),
            ("- removed: field `Tag.color` in answers of\n  tags_get, tags_list", True),
            (f"- Something\n\n### Removed\n\n- {GONE}", True),
            ("", False),
            ("- The color of a tag is gone", False),
            ("- removed: field `Tag.color`", False),
            ("- removed: field `Tag.color` in answers of tags_get", False),
            (f"- {GONE}_too", False),
            (f"- {GONE}, tags_update", False),
            ("- removed: field `Tag.color`\n- in answers of tags_get, tags_list", False),
            (f"\n## 1.0.0\n\n- {GONE}", False),
        ],
    )
    def test_is_named_by_an_item_that_has_its_sentence(self, item, is_named):
        """All of it, in one item, in the section of what is not released."""
        changelog = f"# Changelog\n\n## Unreleased\n\n### Changed\n\n{item}\n\n## 0.9.0\n\n- Other\n"
        assert unnamed([Change(GONE, is_breaking=True)], changelog) == ([] if is_named else [GONE])

    def test_is_the_only_one_that_must_be_named(self):
        assert unnamed([Change(GONE, is_breaking=False)], "## Unreleased\n") == []

    @pytest.mark.parametrize(
        ("changelog", "version"),
        [("## Unreleased\n", None), ("## Unreleased\n\n## [1.2.0] - 2026-12-01\n\n## [1.1.0]\n", "1.2.0")],
    )
    def test_counts_from_the_newest_version_of_the_changelog(self, changelog, version):
        assert newest_release(changelog) == version
