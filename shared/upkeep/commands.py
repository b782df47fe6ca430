"""Commands: how a module's operation is run from the command line, in the same unit of work as a request's."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import Any

import click


def in_unit_of_work(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Makes a click callback of an async function that takes the module's `service` and the command's parameters.

    On any error nothing is kept; the command line tells a domain error in its own words, with exit code 1.
    """

    @click.pass_obj
    def run(container_of_module: Callable[[], AbstractContextManager[Any]], /, **parameters: Any) -> None:
        async def main(container: Any) -> None:
            database = container.kernel.database()
            try:
                async with database.unit_of_work():
                    await command(container.service(), **parameters)
            finally:
                await database.close()

        with container_of_module() as container:
            asyncio.run(main(container))

    return update_wrapper(run, command)
