"""The wire: statements on a connection, without psycopg's cursors, at a quarter of their cost.

A general driver makes a cursor for each statement, decides whether to prepare it, and starts and stops watching the
socket. A wire prepares statements for good and watches its socket all the time. That saves a third of the processor
time of a read.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from shared.wire.connection import PostgresConnection
from shared.wire.link import Link
from shared.wire.statements import Row, Statement

Step = str | tuple[Statement, Mapping[str, Any]]
"""A command, or a statement and its values."""

MOST_PREPARED = 100
"""Statements on a connection. Each plan takes some ten kilobytes of PostgreSQL's memory."""

LIFETIME_SECONDS = 3600
"""A connection is replaced after this time: PostgreSQL's caches for it only grow."""


class Wire(Link):
    """Takes one statement after the other. The caller awaits each answer before the next."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self.expires_at = monotonic() + LIFETIME_SECONDS
        self.is_fresh = True
        """Whether it has had no statement yet."""
        self.sendings = 0
        """How often statements were sent, so that after an error the caller knows whether its own was."""
        self._transformer = Transformer(connection)
        self._prepared: OrderedDict[Statement, bytes] = OrderedDict()

    async def rows(self, statement: Statement, values: Mapping[str, Any], before: Sequence[Step] = ()) -> list[Row]:
        """All rows. The steps `before` are executed first, in the same round trip; see `run`."""
        result = await self._result_of([*before, (statement, values)])
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    async def run(self, *steps: Step) -> None:
        """Execute these in one round trip, and drop their answers. When PostgreSQL refuses one, it executes none after
        that. A command that is sent alone may be several, separated by semicolons.

        Raises psycopg's errors, DeadlineMissed among them, and KeyError for a value that is missing.
        """
        await self._result_of(steps)

    async def _result_of(self, steps: Sequence[Step]) -> PGresult:
        """The result of the last step."""
        if self.is_waiting:
            raise RuntimeError("A statement waits for its answer: one goes after the other.")
        self.is_fresh = False
        for step in steps:
            if not isinstance(step, str):
                await self._prepare(step[0])
        is_pipeline = len(steps) > 1
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
        statement, values = step
        sent = self._transformer.dump_sequence(statement.arguments(values), statement.formats)
        return partial(self._libpq.send_query_prepared, self._prepared[statement], sent, self._transformer.formats)

    async def _prepare(self, statement: Statement) -> None:
        """Prepare a statement, unless the connection has it. The least recently used one makes room."""
        if statement in self._prepared:
            self._prepared.move_to_end(statement)
            return
        while len(self._prepared) >= MOST_PREPARED:
            _, name = self._prepared.popitem(last=False)
            self._libpq.send_close_prepared(name)
            await self._sent()
        name = b"trellis_%d" % id(statement)
        self._libpq.send_prepare(name, statement.text)
        await self._sent()
        self._prepared[statement] = name
