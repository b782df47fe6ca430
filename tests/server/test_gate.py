"""The gate by itself: who goes to work, who waits, who is refused, and what it makes of a loop that is late."""

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar

import pytest
from pydantic import SecretStr

from shared.http.server import gate as gates
from shared.http.server.gate import BEAT, EARNED, FEW, FREE, INTERVAL, LATE, SAVED, Gate
from shared.settings import Settings
from tests import patience

OWN: ContextVar[str] = ContextVar("OWN", default="nobody's")
PATIENCE = 9.0


class Asked:
    """A request."""

    def __init__(self, gate):
        self.gate = gate
        self.became = "waiting"
        self.context = ""

    def begin(self):
        self.became, self.context = "at work", OWN.get()

    def shed(self):
        self.became = "refused"
        self.gate.count_refused()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(gates, "monotonic", clock)
    return clock


@pytest.fixture
async def gate(clock):
    with made(FEW) as gate:
        yield gate


@pytest.fixture
async def large(clock):
    with made(5 * FEW) as gate:
        yield gate


@contextmanager
def made(most):
    secret = SecretStr("a secret for tests, 32 bytes or more")
    settings = Settings(DATABASE_URL="postgresql://x/y", environment="development", secret=secret)
    gate = Gate(settings.model_copy(update={"max_requests": most, "queue_seconds": PATIENCE}))
    try:
        yield gate
    finally:
        if gate._timer is not None:
            gate._timer.cancel()


def enter(gate, number=1):
    asked = [Asked(gate) for _ in range(number)]
    for one in asked:
        gate.enter(one)
    return asked


def beats(gate, clock, seconds, late=0.0):
    """The beats of so many seconds, each of them this much late."""
    until = clock.now + seconds
    while clock.now < until:
        clock.now += BEAT + late
        gate._beat()


class TestTheLimit:
    async def test_lets_so_many_to_work_and_the_oldest_when_one_leaves(self, gate):
        asked = enter(gate, 10)
        assert [one.became for one in asked] == ["at work"] * 8 + ["waiting"] * 2
        assert not gate.is_open
        gate.leave()
        assert [one.became for one in asked] == ["at work"] * 9 + ["waiting"]

    async def test_nobody_overtakes_those_who_wait(self, gate):
        enter(gate, 9)
        gate.at_work = 0
        (later,) = enter(gate)
        assert later.became == "waiting"

    async def test_counts_those_whose_bodies_came_late(self, gate):
        for _ in range(8):
            gate.count()
        assert not gate.is_open

    async def test_who_went_away_waits_no_longer(self, gate):
        *_, first, second = enter(gate, 10)
        gate.forget(first)
        gate.leave()
        assert (first.became, second.became) == ("waiting", "at work")

    async def test_who_had_to_wait_begins_with_nothing_of_the_one_that_left(self, gate):
        *_, last = enter(gate, 9)
        OWN.set("another's")
        gate.leave()
        assert last.context == "nobody's"


class TestTheQueue:
    async def test_drops_the_oldest_when_it_has_waited_too_long(self, gate, clock):
        *_, oldest = enter(gate, 9)
        clock.now += PATIENCE * 0.9
        (newest,) = enter(gate)
        clock.now += PATIENCE * 0.1 + BEAT
        gate._beat()
        assert (oldest.became, newest.became, gate.refused) == ("refused", "waiting", 1)

    async def test_that_stands_has_a_third_of_the_patience(self, gate, clock):
        enter(gate, 9)
        clock.now += PATIENCE * 0.9
        (second,) = enter(gate)
        beats(gate, clock, PATIENCE * 0.2)
        assert second.became == "waiting"
        beats(gate, clock, PATIENCE * 0.2)
        assert second.became == "refused"

    async def test_that_stands_is_no_longer_than_what_may_be_at_work(self, gate, clock):
        enter(gate, 9)
        for _ in range(20):
            clock.now += PATIENCE * 0.09
            gate.leave()
            enter(gate)
        assert gate.refused == 0
        waiting = enter(gate, 8)
        assert gate.refused == 1
        newest = enter(gate, 3)
        assert [one.became for one in (*waiting, *newest)] == ["refused"] * 3 + ["waiting"] * 8

    async def test_of_a_burst_is_as_long_as_that(self, gate, clock):
        asked = enter(gate, 100)
        clock.now += PATIENCE * 0.9
        gate._beat()
        assert [one.became for one in asked] == ["at work"] * 8 + ["waiting"] * 92

    async def test_that_somebody_passed_meanwhile_is_a_new_one(self, gate, clock):
        enter(gate, 9)
        clock.now += PATIENCE * 0.9
        gate.leave()
        gate.leave()
        asked = enter(gate, 2)
        assert [one.became for one in asked] == ["at work", "waiting"]
        beats(gate, clock, PATIENCE * 0.5)
        assert asked[1].became == "waiting"

    async def test_is_shortened_also_when_one_that_is_refused_has_another_request_at_hand(self, gate, clock):
        """However many were sent ahead on however many connections."""

        class SentAhead(Asked):
            left = 10

            def shed(self):
                super().shed()
                if self.left:
                    self.left -= 1
                    self.gate.enter(self)

        enter(gate, 8)
        ahead = [SentAhead(gate) for _ in range(1000)]
        for one in ahead:
            gate.enter(one)
        clock.now += PATIENCE * 1.1
        gate._beat()
        assert gate.refused == SAVED
        enter(gate)
        assert gate.refused == SAVED
        beats(gate, clock, 1100 / FREE)
        assert gate.refused >= 1000


class TestTheBudgetOfRefusals:
    @pytest.fixture
    async def crowd(self, gate, clock):
        """More than the budget holds wait, for longer than they should."""
        asked = enter(gate, FEW + 2 * SAVED)
        clock.now += PATIENCE * 1.1
        gate._beat()
        assert gate.refused == SAVED
        return asked[FEW:]

    async def test_comes_back_with_the_time(self, gate, clock, crowd):
        beats(gate, clock, 10 / FREE)
        assert SAVED < gate.refused < 2 * SAVED
        beats(gate, clock, SAVED / FREE)
        assert {one.became for one in crowd} == {"refused"}

    async def test_is_one_for_all_refusals_also_of_those_who_never_wait(self, gate, clock, crowd):
        one, other = Asked(gate), Asked(gate)
        gate.refuse(one)
        gate.refuse(other)
        gate.forget(other)
        assert one.became == "waiting"
        beats(gate, clock, 2 / FREE)
        assert (one.became, other.became) == ("refused", "waiting")

    async def test_comes_back_with_each_that_is_served(self, gate, crowd):
        gate.leave()
        assert gate.refused == SAVED + EARNED

    async def test_keeps_nobody_from_going_to_work_and_the_newest_goes_first(self, gate, crowd):
        (newest,) = enter(gate)
        gate.leave()
        assert [one.became for one in crowd[: SAVED + EARNED]] == ["refused"] * (SAVED + EARNED)
        assert newest.became == "at work"
        assert gate.at_work == FEW


class TestALoopThatIsLate:
    async def test_for_an_interval_lowers_the_limit_again_and_again_to_a_few(self, large, clock):
        enter(large, 40)
        beats(large, clock, INTERVAL * 0.5, late=LATE * 2)
        assert large.limit == 40
        beats(large, clock, INTERVAL, late=LATE * 2)
        assert FEW < large.limit < 40
        beats(large, clock, INTERVAL * 10, late=LATE * 2)
        assert large.limit == FEW

    async def test_lowers_it_from_what_is_really_at_work(self, large, clock):
        enter(large, 20)
        beats(large, clock, INTERVAL * 1.5, late=LATE * 2)
        assert large.limit < 20

    async def test_now_and_then_changes_nothing(self, large, clock):
        """A container that has used up its quota of the processor waits for the next period."""
        enter(large, 40)
        for _ in range(50):
            beats(large, clock, BEAT, late=LATE * 4)
            beats(large, clock, BEAT)
        assert large.limit == 40

    async def test_no_more_lets_the_limit_grow_again(self, large, clock):
        enter(large, 40)
        beats(large, clock, INTERVAL * 10, late=LATE * 2)
        assert large.limit == FEW
        beats(large, clock, INTERVAL * 30)
        assert large.limit == 40

    async def test_long_ago_counts_for_nothing(self, large, clock):
        enter(large, 40)
        beats(large, clock, INTERVAL * 10, late=LATE * 2)
        for _ in range(40):
            large.leave()
        beats(large, clock, BEAT)
        clock.now += 60
        enter(large, FEW + 1)
        assert large.limit == 40


class TestTheLook:
    async def test_is_not_taken_while_there_is_little_to_do(self, large):
        enter(large, FEW)
        assert large._timer is None
        enter(large, 1)
        assert large._timer is not None

    async def test_ends_with_the_work(self, gate, clock):
        enter(gate, 9)
        for _ in range(9):
            gate.leave()
        gate._beat()
        assert gate._timer is None

    async def test_is_really_taken(self, gate, clock):
        *_, last = enter(gate, 9)
        clock.now += PATIENCE * 2
        async with asyncio.timeout(patience.PATIENCE):
            while last.became == "waiting":  # noqa: ASYNC110 (nobody would set an event)
                await asyncio.sleep(BEAT)
        assert last.became == "refused"
