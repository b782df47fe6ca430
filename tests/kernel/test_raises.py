"""What a function raises, read from its source."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import Conflict, DomainError, Forbidden, Gone, Invalid, InvalidInput, NotFound, TooLarge, Unavailable
from shared.events import Event, Events
from shared.http.edge import problem
from shared.http.openapi import raises
from shared.http.openapi.raises import Raises

if TYPE_CHECKING:
    from shared.settings import Settings


class Told(Event):
    """An event."""


class Rows:
    absent: type[DomainError] = NotFound
    denied: type[DomainError] = Forbidden

    async def lock(self) -> None:
        """The row. Raises `absent`, or `denied` when it may not be. It is not Gone."""

    async def read(self) -> None:
        raise self.absent


class Service:
    def __init__(self, rows: Rows, events: Events) -> None:
        self._rows = rows
        self._events = events
        self._made = Rows()

    async def change(self) -> None:
        """Raises Conflict: of a constraint, say. It is no Invalid."""
        await self._rows.lock()

    async def read(self) -> None:
        await self._made.read()

    async def tell(self) -> None:
        await self._events.publish(object(), Told())

    async def again(self) -> None:
        await self.again()
        await self.change()

    async def heed(self, change: object, event: Told) -> None:
        _demand()


def _demand() -> None:
    if _demand.__name__:
        raise TooLarge("It is.")


def documented() -> None:
    """Raises Gone and
    RequestValidationError.
    """


async def endpoint(service: Service) -> None:
    await service.change()


async def returning(request: Any) -> Any:
    return problem(request, Unavailable())


async def within(service: Service) -> None:
    async def inner() -> None:
        await service.read()

    await inner()


def unreadable(settings: "Settings") -> None:
    raise Invalid


def other(function: Callable[[], None]) -> None:
    function()


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """These functions are taken for a module's."""
    monkeypatch.setattr(raises, "_ROOMS", ("shared.", "modules.", "tests."))
    raises.attributes.cache_clear()


@pytest.mark.parametrize(
    ("function", "errors"),
    [
        (_demand, {TooLarge}),
        (documented, {Gone, InvalidInput}),
        (endpoint, {Conflict, NotFound, Forbidden}),
        (returning, {Unavailable}),
        (within, {NotFound}),
        (unreadable, set()),
        (other, set()),
        (print, set()),
    ],
)
def test_a_function_raises_what_it_and_all_that_it_calls_say(function, errors):
    assert Raises({}).errors_of(function) == errors


def test_a_method_raises_what_its_class_stands_for():
    class Others(Rows):
        absent = Gone

    assert Raises({}).errors_of(Rows.lock, Rows) == {NotFound, Forbidden}
    assert Raises({}).errors_of(Others.lock, Others) == {Gone, Forbidden}


def test_a_function_that_calls_itself_is_followed_once():
    assert Raises({}).errors_of(Service.again, Service) == {Conflict, NotFound, Forbidden}


def test_an_event_raises_what_its_handlers_do():
    assert Raises({}).errors_of(Service.tell, Service) == set()
    assert Raises({Told: [(Service.heed, Service)]}).errors_of(Service.tell, Service) == {TooLarge}
