"""The documents that tests of the contract compare."""

import pytest

from tests.openapi.document import document as document_of_the_application
from tests.openapi.plants import ground


@pytest.fixture(scope="session")
def document():
    """That of the application as it is."""
    return document_of_the_application()


@pytest.fixture(scope="session")
def base(document):
    """The same, with an operation to plant changes in."""
    return ground(document)


@pytest.fixture
async def admin(signed_in):
    """Who may do everything."""
    return await signed_in(role="admin")
