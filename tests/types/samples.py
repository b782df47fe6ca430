"""A resource with a column of every type, as a module would declare it; its table is in no migration."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from fastapi import Depends, Request, Response
from pydantic import Field as Described
from sqlalchemy import BigInteger, MetaData, SmallInteger, case
from sqlmodel import Field, SQLModel

from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy
from shared.errors import Conflict, Forbidden, NotFound
from shared.http.imports import importing, lines_of
from shared.http.reads import created_response, described, document_response, export_response, list_query, reads
from shared.http.routes import CurrentChange, CurrentPrincipal, resource_router
from shared.manifest import Module
from shared.reads import Collection, Document, ListQuery, Tools
from shared.rows import Resource, choice, choices, json_object, texts
from shared.rows.models import NAMING_CONVENTION
from shared.schemas import UNCHANGED, BigInt, Email, Input, Json, Line, Patch, SmallInt, Text, Url
from shared.writes import BulkInsert, Import, Imported, Repository


class Scratch(SQLModel):
    """Of a metadata of its own: other tests find only the modules' tables in the house's."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Shade(StrEnum):
    LIGHT = "light"
    DARK = "dark"


class Sample(Scratch, Resource, table=True):
    __tablename__ = "samples"

    owner_id: UUID
    line: str | None = Field(default=None, max_length=200)
    prose: str | None
    at: datetime | None
    day: date | None
    clock: time | None
    price: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    amount: Decimal | None
    period: timedelta | None
    flag: bool | None
    small: int | None = Field(default=None, sa_type=SmallInteger)
    number: int | None
    big: int | None = Field(default=None, sa_type=BigInteger)
    ratio: float | None
    shade: Shade | None = Field(default=None, sa_type=choice(Shade))
    reference: UUID | None
    settings: dict[str, Any] | None = Field(default=None, sa_type=json_object())
    labels: list[str] | None = Field(default=None, sa_type=texts())
    shades: list[Shade] | None = Field(default=None, sa_type=choices(Shade))
    link: str | None = Field(default=None, max_length=2000)
    mail: str | None = Field(default=None, max_length=254)


class SampleRead(Document, of=Sample):
    """A sample."""

    id: UUID
    owner_id: UUID
    line: str | None
    prose: str | None
    at: datetime | None
    day: date | None
    clock: time | None
    price: Decimal | None
    amount: Decimal | None
    period: timedelta | None
    flag: bool | None
    small: int | None
    number: int | None
    big: int | None
    ratio: float | None
    shade: Shade | None
    reference: UUID | None
    settings: dict[str, Any] | None
    labels: list[str] | None
    shades: list[Shade] | None
    link: str | None
    mail: str | None
    created_at: datetime
    updated_at: datetime
    version: int


KEPT = ("id", "owner_id", "created_at", "updated_at", "version")
FIELDS = tuple(name for name in SampleRead.model_fields if name not in KEPT)
UNSORTED = {"settings", "labels", "shades"}
SUMS = ("price", "amount", "period", "small", "number", "big")
SAMPLES = Collection(
    SampleRead,
    filters=FIELDS,
    sorts=("created_at", *(f for f in FIELDS if f not in UNSORTED)),
    groups=[name for name in FIELDS if name not in UNSORTED],
    sums=SUMS,
)

Price = Annotated[Decimal, Described(max_digits=12, decimal_places=2, examples=["12.50"])]


class SampleCreate(Input):
    """A new sample, declared in the plain types of Python wherever these will do."""

    line: Line | None = None
    prose: str | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    price: Price | None = None
    amount: Decimal | None = None
    period: timedelta | None = None
    flag: bool | None = None
    small: SmallInt | None = None
    number: int | None = None
    big: BigInt | None = None
    ratio: float | None = None
    shade: Shade | None = None
    reference: UUID | None = None
    settings: Json | None = None
    labels: list[Text] | None = None
    shades: list[Shade] | None = None
    link: Url | None = None
    mail: Email | None = None


class SampleUpdate(Patch):
    """A change of a sample."""

    line: Line | None = UNCHANGED
    prose: str | None = UNCHANGED
    at: datetime | None = UNCHANGED
    day: date | None = UNCHANGED
    clock: time | None = UNCHANGED
    price: Price | None = UNCHANGED
    amount: Decimal | None = UNCHANGED
    period: timedelta | None = UNCHANGED
    flag: bool | None = UNCHANGED
    small: SmallInt | None = UNCHANGED
    number: int | None = UNCHANGED
    big: BigInt | None = UNCHANGED
    ratio: float | None = UNCHANGED
    shade: Shade | None = UNCHANGED
    reference: UUID | None = UNCHANGED
    settings: Json | None = UNCHANGED
    labels: list[Text] | None = UNCHANGED
    shades: list[Shade] | None = UNCHANGED
    link: Url | None = UNCHANGED
    mail: Email | None = UNCHANGED


class SampleNotFound(NotFound):
    """No sample with this id is visible to you."""


class SampleForbidden(Forbidden):
    """Only its owner may do this to a sample."""


class SampleRepository(Repository[Sample]):
    model = Sample
    collection = SAMPLES
    policy = Policy(
        role=lambda rows, _: case((rows.c.owner_id == CALLER_ID, "owner"), (CALLER_IS_ADMIN, ADMIN)),
        listed=lambda rows, _: (rows.c.owner_id == CALLER_ID,),
        allowed=dict.fromkeys(("change", "delete", "restore"), frozenset({"owner", ADMIN})),
    )
    absent = SampleNotFound
    denied = SampleForbidden
    orphaned = None

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self.bulk = BulkInsert(Sample, SampleCreate, ("owner_id",), Conflict())


class SamplesContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()

    repository = providers.Singleton(SampleRepository, kernel.tools)
    service = repository


Samples = Annotated[SampleRepository, Provide[SamplesContainer.repository]]
EXPORT = SAMPLES.without_pages()
router = resource_router("/samples", about="Samples of every type.")


@router.post("", status_code=201, response_model=SampleRead)
async def create(request: Request, data: SampleCreate, change: CurrentChange, repository: Samples) -> Response:
    """Create a sample."""
    columns = data.model_dump() | {"owner_id": change.caller.user_id}
    return created_response(request, await repository.create(change, **columns))


@router.get("/export", openapi_extra=described(EXPORT))
async def export(
    request: Request,
    principal: CurrentPrincipal,
    query: Annotated[ListQuery, Depends(list_query(EXPORT))],
    repository: Samples,
) -> Response:
    """Export samples."""
    columns = query.shape.view.names(SampleRead)
    return await export_response(request, principal, repository.export(principal, query), columns, "samples")


@importing(router, SampleCreate, {"line": "x", "price": "12.50", "number": 1, "settings": {"a": 1}})
async def import_(
    lines: Annotated[Import[SampleCreate], Depends(lines_of(SampleCreate))], change: CurrentChange, repository: Samples
) -> Imported:
    """Create many samples from a file."""
    async for batch in lines:
        await repository.bulk.store(change, batch, owner_id=change.caller.user_id)
    return lines.outcome()


reads(router, SAMPLES, Samples, listed="your samples")


@router.patch("/{sample_id}", response_model=SampleRead)
async def update(
    request: Request, sample_id: UUID, data: SampleUpdate, change: CurrentChange, repository: Samples
) -> Response:
    """Change a sample."""
    return document_response(request, await repository.change(change, sample_id, **data.changes()))


MODULE = Module(
    name="samples", requires=("users",), container=SamplesContainer, router=router, resources=(SampleRepository,)
)
