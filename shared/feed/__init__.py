"""The change feed: all that changed in the caller's world, in an order to rely on, read from the journal.

It knows the resources by the repositories that the manifests declare, and knows no HTTP.
"""

from shared.feed.changes import ChangeRead, Changes

__all__ = ["ChangeRead", "Changes"]
