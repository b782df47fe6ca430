"""The change feed: the changes of what the caller sees, read from the journal in an order that a client can apply.

What changed the documents of other resources is told of these, too. It knows the resources by the repositories that
manifests declare. It knows no HTTP.
"""

from shared.feed.changes import Changes
from shared.feed.clusters import has_strangers, restore
from shared.feed.statements import ChangeRead

__all__ = ["ChangeRead", "Changes", "has_strangers", "restore"]
