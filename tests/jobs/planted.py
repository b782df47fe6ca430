"""Modules that publish and subscribe, and `python -m tests.jobs.planted`: a worker of them, in a process of its own."""

import asyncio
import logging.config
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from fastapi import APIRouter
from sqlalchemy import bindparam, column, func, insert, select, table

from app.container import Application, compose
from app.worker import run_worker
from shared.errors import Conflict
from shared.events import Event, Events
from shared.http.routes import PublicChange, operation, resource_router
from shared.jobs import Periodic
from shared.manifest import Module, discover
from shared.observing import log_configuration
from shared.settings import Settings
from shared.wire.statements import Statement

TABLES = """
    CREATE TABLE heard (job text, plant_id uuid, origin text DEFAULT current_setting('trellis.origin', true));
    CREATE TABLE rain (inches int)"""
"""What subscribers write, and what those who fail wait for."""

EFFECTS = "PLANTED_EFFECTS"
"""The environment variable that names a file, into which subscribers write as well: no transaction undoes that."""

_HEAR = Statement(
    insert(table("heard", column("job"), column("plant_id"))).values(
        job=bindparam("job"), plant_id=bindparam("plant_id")
    )
)
_RAIN = Statement(select(func.count()).select_from(table("rain")))


@dataclass(frozen=True)
class Grew(Event, version=2):
    plant_id: UUID
    how: str = "well"
    """`fails`, `hangs`, `blocks` and `waits` do so until it has rained."""

    @classmethod
    def upgraded(cls, version, payload):
        """Of version 1: `plant`, which was an id."""
        return {"plant_id": payload["plant"]}


class Withered(Conflict):
    """It withered."""


async def hear(change, job, event):
    (raining,) = await change.unit.execute(_RAIN, {})
    if not raining[0]:
        match event.how:
            case "fails":
                raise ValueError("It has not rained.")
            case "withers":
                raise Withered
            case "hangs":
                await asyncio.Event().wait()
            case "waits":
                while not (await change.unit.execute(_RAIN, {}))[0][0]:  # noqa: ASYNC110 (in a table)
                    await asyncio.sleep(0.05)
            case "blocks":
                time.sleep(10_000)  # noqa: ASYNC251 (on purpose)
    await change.unit.send(_HEAR, {"job": job, "plant_id": event.plant_id})
    if EFFECTS in os.environ:
        with Path(os.environ[EFFECTS]).open("a") as effects:  # noqa: ASYNC230 (a line)
            effects.write(f"{job} {event.plant_id}\n")


class GardenService:
    def __init__(self, events: Events) -> None:
        self._events = events

    async def grow(self, change, id, how):
        await self._events.publish(change, Grew(id, how))
        if how == "refused":
            raise Withered

    async def own(self, change, event):
        await hear(change, "garden.own", event)

    async def look(self, change):
        await change.unit.send(_HEAR, {"job": "garden.look", "plant_id": None})


class GardenContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()
    service = providers.Factory(GardenService, kernel.events)


router = resource_router("/garden")


@router.post("/{plant_id}", status_code=200)
@operation(public=True)
async def grow(
    plant_id: UUID, change: PublicChange, service: Annotated[GardenService, Provide[GardenContainer.service]], how: str
) -> str:
    await service.grow(change, plant_id, how)
    return how


class AuditService:
    async def now(self, change, event):
        if event.how == "refused now":
            raise Withered
        await change.unit.send(_HEAR, {"job": "audit.now", "plant_id": event.plant_id})

    async def note(self, change, event):
        await hear(change, "audit.note", event)


class AuditContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()
    service = providers.Factory(AuditService)


class MailService:
    async def send(self, change, event):
        await hear(change, "mail.send", event)


class MailContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()
    service = providers.Factory(MailService)


MODULES = (
    *discover(),
    Module(
        name="garden",
        container=GardenContainer,
        router=router,
        publishes=(Grew,),
        later={Grew: GardenService.own},
        periodic=(Periodic(GardenService.look, every="week"),),
    ),
    Module(
        name="audit",
        requires=("garden",),
        container=AuditContainer,
        router=APIRouter(),
        handles={Grew: AuditService.now},
        later={Grew: AuditService.note},
    ),
    Module(
        name="mail",
        requires=("garden",),
        container=MailContainer,
        router=APIRouter(),
        later={Grew: MailService.send},
    ),
)
LATER = ("audit.note", "garden.own", "mail.send")


def planted(settings: Settings) -> Application:
    return compose(settings, MODULES)


if __name__ == "__main__":
    loaded = Settings.load()
    logging.config.dictConfig(log_configuration())
    run_worker(planted(loaded.with_secret()))
