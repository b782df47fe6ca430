"""The contract of a resource, whole."""

from tests.conformance.actors import Actors
from tests.conformance.affecting import Affecting
from tests.conformance.batches import Batches
from tests.conformance.changing import Changing
from tests.conformance.creating import Creating
from tests.conformance.filtering import Filtering
from tests.conformance.following import Following
from tests.conformance.histories import Histories
from tests.conformance.hostile import Hostile
from tests.conformance.preconditions import Preconditions
from tests.conformance.reading import Reading
from tests.conformance.repeating import Repeating
from tests.conformance.restoring import Restoring
from tests.conformance.sorting import Sorting
from tests.conformance.totalling import Totalling
from tests.conformance.transfers import Transfers
from tests.conformance.wishes import Wishes


class ResourceContract(
    Actors,
    Creating,
    Changing,
    Restoring,
    Reading,
    Sorting,
    Filtering,
    Totalling,
    Affecting,
    Repeating,
    Preconditions,
    Wishes,
    Batches,
    Histories,
    Following,
    Transfers,
    Hostile,
):
    """Everything that the wire contract promises of a resource.

        class TestInvoices(ResourceContract):
            resource = InvoiceRepository
            factory = InvoiceFactory

    Routes, schemas, columns, policy and unique rules are read from the module's declarations. What they do not say, a
    module tells by attributes and methods of `Rows` and `Promises`: `parent`, `roles`, `actor`, `body` and so on.
    """
