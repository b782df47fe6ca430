"""The sentence with which a test of a seam fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def relied_on(dependency: str, what: str, *files: str) -> Iterator[None]:
    """What happens inside shows that it is as these files need it, or fails and says so."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(
            f"{dependency} has changed {what}: read {' and '.join(files)} beside its release notes."
        ) from error
