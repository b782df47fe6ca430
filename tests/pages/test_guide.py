"""The guide: its commands do what it says, it is whole, and it knows how to mend every problem."""

import json

import pytest

from app.pages.markdown import ROOT, chapters, sections
from app.pages.pages import ERRORS, FIRST_SESSION
from shared.errors import DomainError
from shared.http.edge import status_of
from tests.pages.commands import fits, run, shown, statuses_said

FIRST = (ROOT / FIRST_SESSION).read_text()


def statuses_of_problems():
    """By code; without those of tests."""
    ours = ("app.", "modules.", "shared.")
    catalogue = DomainError.catalogue.items()
    return {code: str(status_of(error).value) for code, error in catalogue if error.__module__.startswith(ours)}


class TestAPage:
    @pytest.mark.needs("projects")
    @pytest.mark.parametrize("file", chapters())
    def test_has_commands_that_are_answered_as_it_says(self, server, tmp_path, file):
        """Each page goes on from the first session, and from no other."""
        text = FIRST if file == FIRST_SESSION else f"{FIRST}\n{(ROOT / file).read_text()}"
        assert statuses_said(text)
        here = text.replace("http://127.0.0.1:8000", server.url).replace("ann@", f"{chapters()[file].name}@")
        done = run(here, tmp_path)
        assert done.statuses == statuses_said(text)
        for number, said in shown(text).items():
            given = done.printed[number]
            assert fits(said, json.loads(given)), given

    def test_whose_commands_are_answered_otherwise_is_found(self, server, tmp_path):
        text = f"```bash\ncurl -sS {server.url}/health/live  # 201\ncurl -sS {server.url}/nothing\n```\n"
        done = run(text, tmp_path)
        assert (statuses_said(text), done.statuses) == (["201"], ["200", "404"])

    @pytest.mark.parametrize(
        ("said", "given", "fit"),
        [
            ({"a": "x…"}, {"a": "xyz"}, True),
            ({"a": "x…"}, {"a": "yz"}, False),
            ({"a": 1}, {"a": 1, "b": 2}, False),
            ([1], [1, 1], False),
            ([None], [None], True),
            ([1], [True], False),
        ],
    )
    def test_that_shows_another_answer_is_found(self, said, given, fit):
        assert fits(said, given) is fit


@pytest.mark.usefixtures("application")  # Which has all modules, and so all problems.
class TestTheGuide:
    def test_has_every_file_of_its_folder(self):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "guide").glob("*.md")}
        assert files - {"docs/guide/README.md"} <= chapters().keys()

    def test_says_how_to_mend_every_problem(self):
        """By its status, and where that is not enough, by its code."""
        told = sections(ERRORS)
        assert [code for code, status in statuses_of_problems().items() if status not in told] == []

    def test_says_so_of_no_problem_that_is_not_there(self):
        _, *told = sections(ERRORS)
        known = statuses_of_problems()
        assert set(told) <= {*known, *known.values()}
