"""Events between modules."""

from dataclasses import dataclass

import pytest

from shared.events import Event, Events


@dataclass(frozen=True)
class Happened(Event):
    what: str


class TestPublish:
    async def test_runs_every_handler_in_order_before_it_returns(self):
        seen: list[str] = []

        async def first(_: object, event: Happened) -> None:
            seen.append(f"first {event.what}")

        async def second(_: object, event: Happened) -> None:
            seen.append(f"second {event.what}")

        await Events({Happened: [lambda: first, lambda: second]}).publish(None, Happened("x"))
        assert seen == ["first x", "second x"]

    async def test_lets_a_handlers_error_through_so_that_nothing_is_kept(self):
        async def fail(_: object, __: Happened) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await Events({Happened: [lambda: fail]}).publish(None, Happened("x"))

    async def test_refuses_an_event_that_no_manifest_declares(self):
        with pytest.raises(LookupError, match="Happened is published, but no manifest says so"):
            await Events({}).publish(None, Happened("x"))
