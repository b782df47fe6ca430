"""The change feed: the changes of what the caller sees, read from the journal in an order that a client can apply.

It knows the resources by the repositories that manifests declare. It knows no HTTP.
"""

from shared.feed.changes import ChangeRead, Changes

__all__ = ["ChangeRead", "Changes"]
