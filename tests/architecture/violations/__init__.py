"""What modules must not do: each a small change of a module that is there, with what the check says of it.

`# here` stands on the line that is to be found. The code is appended to the file, which may be new.
"""

from tests.architecture.violations.answers import ANSWERS
from tests.architecture.violations.borders import BORDERS
from tests.architecture.violations.lasting import LASTING
from tests.architecture.violations.migrations import MIGRATIONS
from tests.architecture.violations.statements import STATEMENTS
from tests.architecture.violations.violation import Violation

__all__ = ["VIOLATIONS", "Violation"]

VIOLATIONS: dict[str, Violation] = {**BORDERS, **STATEMENTS, **ANSWERS, **LASTING, **MIGRATIONS}
