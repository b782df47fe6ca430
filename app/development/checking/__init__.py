"""Checking: what a module must not do, found before a request is served.

Most rules read the source, of any tree, and execute nothing: a rule is a small function, a file of rules is a family.
What the assembled application tells better, such as what its endpoints take and answer, is asked of that one. Whoever
knows better says so at the end of the line, with the reason: `# check: kept whatever becomes of the request`.

It is about mistakes: constants, aliases and types are followed within a file, and no further. What is written to get
past it is for whoever reviews the code, and for the rights of the database's role.
"""

from app.development.checking.assembled import breakable_rules
from app.development.checking.borders import objection, room_entered
from app.development.checking.checks import branch_findings, check, source_findings
from app.development.checking.sources import Finding
from app.development.checking.tree import Tree

__all__ = [
    "Finding",
    "Tree",
    "branch_findings",
    "breakable_rules",
    "check",
    "objection",
    "room_entered",
    "source_findings",
]
