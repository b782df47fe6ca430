"""Which tests a mutant has to get past: those that reach its line, and some more that reach what is around it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from coverage import Coverage, CoverageData

from tests.mutants import measuring
from tests.mutants.mutations import Mutant
from tests.mutants.trees import Tree

_DATA, _TESTS = "coverage", "tests.json"


class Reach:
    """What the measured run has left in a folder."""

    def __init__(self, folder: Path) -> None:
        self._data = CoverageData(str(folder / _DATA))
        self._data.read()
        tests = json.loads((folder / _TESTS).read_text())
        self.seconds: dict[str, float] = {test: told["seconds"] for test, told in tests.items()}
        self._users = defaultdict[str, set[str]](set)
        for test, told in tests.items():
            for fixture in told["fixtures"]:
                self._users[f"fixture {fixture}"].add(test)
        self._reached = {file: self._lines_by_file_of_tests(file) for file in self._data.measured_files()}
        self._in_all = sum(self._reached.values(), Counter[str]())

    def tests(self, mutant: Mutant) -> list[str]:
        """All that may kill it, those first that should be tried first.

        What is reached once a process, as is what an import, a session's fixture or a first use makes and keeps, is
        reached by more tests than coverage tells. So the tests of the rest of the function, and then of the rest of
        the file, follow.
        """
        contexts = self._data.contexts_by_lineno(mutant.file) if mutant.file in self._reached else {}
        found: dict[str, None] = {}
        for lines in (mutant.lines, mutant.scope, contexts):
            tests = self._named({context for line in contexts if line in lines for context in contexts[line]})
            found |= dict.fromkeys(self._ordered(tests - found.keys(), mutant.file))
        return list(found)

    def _ordered(self, tests: set[str], file: str) -> Iterator[str]:
        """Near and quick ones first, but some from every file of tests: from the n-th an n-th of what the first has."""
        by_file = {name: sorted(of_it, key=self.seconds.__getitem__) for name, of_it in groupby(sorted(tests), _file)}
        near = sorted(by_file, key=lambda name: -self._reached[file][name] / (self._in_all[name] or 1))
        places = {
            test: (place * rank * (1 + self.seconds[test]), rank)
            for rank, name in enumerate(near, 1)
            for place, test in enumerate(by_file[name], 1)
        }
        yield from sorted(places, key=places.__getitem__)

    def _named(self, contexts: Iterable[str]) -> set[str]:
        fixtures = (self._users[context] for context in contexts if context in self._users)
        return set(self.seconds).intersection(contexts).union(*fixtures)

    def _lines_by_file_of_tests(self, file: str) -> Counter[str]:
        """How many lines of a file those of a file of tests reach. The greater part of theirs it is, the nearer."""
        lines = self._data.contexts_by_lineno(file).values()
        return Counter(name for contexts in lines for name in {_file(context) for context in contexts})


def measure(tree: Tree, folder: Path, jobs: int) -> str:
    """Run all tests, and keep what they reach in the folder. Gives how the run ended; tests that fail are left out."""
    configuration = folder / "coveragerc"
    configuration.write_text(measuring.CONFIGURATION)
    variables = {
        "COVERAGE_PROCESS_START": str(configuration),
        measuring.DATA: str(folder / _DATA),
        measuring.RESULTS: str(folder / _TESTS),
    }
    _, output = tree.pytest("-n", str(jobs), "-p", measuring.__name__, "--tb=short", variables=variables)
    combined = Coverage(data_file=str(folder / _DATA), config_file=False)
    combined.combine([str(folder)])
    combined.save()
    return output[-2000:]


def _file(test: str) -> str:
    return test.partition("::")[0]
