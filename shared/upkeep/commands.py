"""Commands: run a module's operation from the command line, in a unit of work as for a request."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import Any

import click

from shared.writes import Change


def in_unit_of_work(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Makes a click callback of an async function that takes the module's `service`, a change without a caller, and the
    command's parameters.

    On any error nothing is kept. The command line prints a domain error as a sentence, and exits with code 1.
    """

    @click.pass_obj
    def run(container_of_module: Callable[[], AbstractContextManager[Any]], /, **parameters: Any) -> None:
        async def main(container: Any) -> None:
            database = container.kernel.database()
            try:
                async with database.unit_of_work() as unit:
                    await command(container.service(), Change(unit), **parameters)
            finally:
                await database.close()

        with container_of_module() as container:
            asyncio.run(main(container))

    return update_wrapper(run, command)
