"""A real server, which the guide's commands and the browser talk to."""

from collections.abc import Iterator

import pytest

from tests.database import clone
from tests.servers import Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory) -> Iterator[Server]:
    with clone("pages") as url, serving(tmp_path_factory.mktemp("pages"), DATABASE_URL=url) as server:
        yield server
