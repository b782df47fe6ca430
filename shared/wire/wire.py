"""The wire: statements on a connection, without psycopg's cursors, at a quarter of their cost.

A general driver makes a cursor for each statement, decides whether to prepare it, and starts and stops watching the
socket. A wire prepares statements for good and watches its socket all the time. That saves a third of the processor
time of a read. Behind a pooler it prepares none: each transaction may be on another connection of the pooler's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import Any

from psycopg.adapt import Transformer
from psycopg.errors import FeatureNotSupported
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from shared.observing import current_activity
from shared.wire.connection import PostgresConnection
from shared.wire.link import Link
from shared.wire.refusals import is_of_a_stale_plan
from shared.wire.statements import Record, Statement


@dataclass
class Demand:
    """A statement that has to give a row, and the error that is raised when it gives none."""

    statement: Statement
    values: Mapping[str, Any]
    refusal: type[Exception]
    is_met: bool = False
    """Whether it has given one."""


Step = str | tuple[Statement, Mapping[str, Any]] | Demand
"""A command, or a statement and its values."""

MOST_PREPARED = 100
"""Statements on a connection. Each plan takes some ten kilobytes of PostgreSQL's memory."""


class Wire(Link):
    """Takes one statement after the other. The caller awaits each answer before the next."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self.expires_at = monotonic() + connection.lifetime_seconds
        self.is_fresh = True
        """Whether it has had no statement yet."""
        self.is_stale = False
        """Whether a migration has changed what a statement gives that was prepared here before."""
        self.sendings = 0
        """How often statements were sent, so that after an error the caller knows whether its own was."""
        self._transformer = Transformer(connection)
        self._prepared: OrderedDict[bytes, None] = OrderedDict()
        self.preamble: Sequence[Step] = [connection.preamble] if connection.preamble else []
        """What a transaction begins with behind a pooler: the settings that otherwise the session has."""

    @property
    def is_fit(self) -> bool:
        """Whether it can be used again."""
        return self.is_idle and not self.is_stale and monotonic() < self.expires_at

    async def rows(self, statement: Statement, values: Mapping[str, Any], before: Sequence[Step] = ()) -> list[Record]:
        """All rows. The steps `before` are executed first, in the same round trip; see `run`."""
        result = await self._result_of([*before, (statement, values)])
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    async def run(self, *steps: Step) -> None:
        """Execute these in one round trip, and drop their answers. When PostgreSQL refuses one, it executes none after
        that; but a demand that is not met stops none, so do not commit along with it. A command that is sent alone may
        be several, separated by semicolons.

        Raises the refusal of a demand, psycopg's errors, DeadlineMissed among them, and KeyError for a missing value.
        """
        await self._result_of(steps)

    async def _result_of(self, steps: Sequence[Step]) -> PGresult:
        """The result of the last step."""
        if self.is_waiting:
            raise RuntimeError("A statement waits for its answer: one goes after the other.")
        self.is_fresh = False
        begun = perf_counter()
        try:
            results = await self._results_of(steps)
        finally:
            seconds = perf_counter() - begun
            current_activity.get().account(len(steps), seconds, self.connection.slow_seconds, partial(_texts, steps))
        for step, result in zip(steps, results, strict=False):  # Of several commands in one step come several.
            if isinstance(step, Demand) and result.status == ExecStatus.TUPLES_OK:
                step.is_met = bool(result.ntuples)
                if not step.is_met:
                    raise step.refusal
        try:
            self._demand_success(results)
        except FeatureNotSupported as error:
            self.is_stale = is_of_a_stale_plan(error)
            raise
        return results[-1]

    async def _results_of(self, steps: Sequence[Step]) -> list[PGresult]:
        """What PostgreSQL answers to the steps, refusals among it."""
        self._is_committing = False
        for step in steps:
            if not isinstance(step, str) and not self.preamble:
                await self._prepare(_statement_of(step))
        is_pipeline = len(steps) > 1
        self._is_committing = "COMMIT" in steps
        sends = [self._send_of(step, is_pipeline) for step in steps]
        self.sendings += 1
        if is_pipeline:
            self._libpq.enter_pipeline_mode()
            self._is_pipeline = True
        for send in sends:
            send()
        if is_pipeline:
            self._libpq.pipeline_sync()
        return await self._sent()

    def _send_of(self, step: Step, is_pipeline: bool) -> Callable[[], None]:
        """The function that sends the step. It is made before anything is sent, so that bad values stop all of it."""
        if isinstance(step, str):
            text = step.encode()
            if is_pipeline:  # A pipeline takes no simple query.
                return partial(self._libpq.send_query_params, text, None)
            return partial(self._libpq.send_query, text)
        statement, values = (step.statement, step.values) if isinstance(step, Demand) else step
        sent = self._transformer.dump_sequence(statement.arguments(values), statement.formats)
        if self.preamble:
            return partial(self._libpq.send_query_params, statement.text, sent, None, self._transformer.formats)
        return partial(self._libpq.send_query_prepared, statement.name, sent, self._transformer.formats)

    async def _prepare(self, statement: Statement) -> None:
        """Prepare a statement, unless the connection has it. The least recently used one makes room."""
        if statement.name in self._prepared:
            self._prepared.move_to_end(statement.name)
            return
        while len(self._prepared) >= MOST_PREPARED:
            name, _ = self._prepared.popitem(last=False)
            self._libpq.send_close_prepared(name)
            self._demand_success(await self._sent())
        self._libpq.send_prepare(statement.name, statement.text)
        self._demand_success(await self._sent())
        self._prepared[statement.name] = None


def _statement_of(step: tuple[Statement, Mapping[str, Any]] | Demand) -> Statement:
    return step.statement if isinstance(step, Demand) else step[0]


def _texts(steps: Sequence[Step]) -> dict[str, str]:
    """The texts of the statements, by their digests."""
    statements = [_statement_of(step) for step in steps if not isinstance(step, str)]
    return {statement.digest: statement.text.decode() for statement in statements}
