"""The conformance kit: from its declarations, everything that the wire contract promises of a resource is tested.

    from tests.conformance import ResourceContract


    class TestInvoices(ResourceContract):
        resource = InvoiceRepository
        factory = InvoiceFactory

A file a family of promises. A verb, a route, a filter or a column that the resource does not have has no tests. What
the declarations do not say, the class tells:

- `parent = test_contract.TestOrders`: the rows are part of those of another contract, which makes them and gives roles
  in them.
- `async def actor(self, role, row)`: how somebody gets a role on a row, where there is another one than its owner's.
- `@act("manage")`: a method that gives a write of a row beside the verbs, which keeps what every write promises.
- `async def context(self, owner)`: ids that cannot be derived, such as one of a tag. Those of accounts are the owner's.
- `dispossess`, `roles`: see `rows.py`; `body`, `actions`: see `promises.py`.

`faults.py` has faults of a kernel, and `test_faults.py` proves that each of them is caught.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}.")))

from tests.conformance.contract import ResourceContract  # noqa: E402 (rewritten from here on)
from tests.conformance.requests import Write  # noqa: E402
from tests.conformance.tried import act  # noqa: E402

__all__ = ["ResourceContract", "Write", "act"]
