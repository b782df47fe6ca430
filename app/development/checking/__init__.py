"""Checking: what a module must not do, found before a request is served.

Most rules read the source, of any tree, and execute nothing: a rule is a small function, a file of rules is a family.
What only the assembled application tells, such as an error that no operation documents, is asked of that one. Whoever
knows better says so at the end of the line, with the reason: `# check: kept whatever becomes of the request`.
"""

from app.development.checking.assembled import breakable_rules
from app.development.checking.borders import objection, room_entered
from app.development.checking.checks import check, source_findings
from app.development.checking.sources import Finding, Tree

__all__ = [
    "Finding",
    "Tree",
    "breakable_rules",
    "check",
    "objection",
    "room_entered",
    "source_findings",
]
