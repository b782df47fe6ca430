"""A resource whose fields have names that the kernel uses itself: of parameters of its verbs and statements, of labels
and of Python; its table is in no migration.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from fastapi import Depends, Request, Response
from pydantic import create_model
from sqlmodel import Field

from shared.auth import Principal
from shared.errors import Conflict
from shared.http.imports import importing, lines_of
from shared.http.reads import (
    PageOf,
    created_response,
    described,
    document_response,
    list_query,
    matching_described,
    matching_query,
    page_response,
    reads,
)
from shared.http.routes import Caller, CurrentChange, resource_router
from shared.manifest import Module
from shared.reads import Collection, Document, Listing, ListQuery, Page, Tools
from shared.rows import Resource, live_unique, searchable, table_of
from shared.schemas import UNCHANGED, Input, Patch
from shared.writes import Affected, BulkInsert, Import, Imported, Repository
from tests.types.samples import SampleForbidden, SampleNotFound, SampleRepository, Scratch

WORDS = """
    self change id_ row rows_ by touched matching action batch columns
    key_id new_row filter_0 after_0 caller_id caller_is_admin session_id of_ids ids documents place
    with_deletion_id deletion_ids with_deletion_ids subject_id document
    callers_role position key_0 sum_0 group_0 one told locked caller near first
    cls values keys items index args kwargs name type data print None_ match
    user order select table default end Mixed keyCid größe
"""
NAMES = (*WORDS.split(), "n" * 63)


class Rooted(Scratch, Resource):
    owner_id: UUID
    code: str = Field(max_length=200)


class NamedTaken(Conflict):
    """There is one with this code."""


_text: Any = dict.fromkeys(NAMES, (str | None, None))
Named: Any = create_model("Named", __base__=Rooted, __cls_kwargs__={"table": True}, **_text)
live_unique("owner_id", "code", raises=NamedTaken)._set_parent_with_dispatch(table_of(Named))
searchable(Named, "order", "Mixed")


class NamedRoot(Document, of=Named):
    """What is named."""

    id: UUID
    code: str
    created_at: datetime
    version: int


class NamedKey(Input):
    """What is new."""

    code: str


NamedRead: Any = create_model("NamedRead", __base__=NamedRoot, **_text)
NamedCreate: Any = create_model("NamedCreate", __base__=NamedKey, **_text)
NamedUpdate: Any = create_model("NamedUpdate", __base__=Patch, **dict.fromkeys(NAMES, (str | None, UNCHANGED)))
NAMED = Collection(NamedRead, filters=("code", *NAMES), sorts=("created_at", *NAMES), groups=NAMES, search="search")


class NamedRepository(Repository[Any]):
    model = Named
    collection = NAMED
    policy = SampleRepository.policy
    absent = SampleNotFound
    denied = SampleForbidden
    orphaned = None

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self.bulk = BulkInsert(Named, NamedCreate, ("owner_id",), NamedTaken())
        self._of_a_caller = Listing(NAMED, self.policy, tools.projector, tools.cursors, scope=("caller_id",))

    async def listed(self, caller: Principal, query: ListQuery, caller_id: str) -> Page:
        """Those with this in the field that is called like a parameter of every statement."""
        return await self._of_a_caller.page(self._database, caller, query, caller_id=caller_id)


class NamedContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()

    repository = providers.Singleton(NamedRepository, kernel.tools)
    service = repository


Named_ = Annotated[NamedRepository, Provide[NamedContainer.repository]]
Query = Annotated[ListQuery, Depends(list_query(NAMED))]
Matching = Annotated[ListQuery, Depends(matching_query(NAMED))]
Lines = Annotated[Import[Any], Depends(lines_of(NamedCreate))]
router = resource_router("/named", about="What is named.")


@router.post("", status_code=201, response_model=NamedRead)
async def create(request: Request, data: NamedCreate, change: CurrentChange, repository: Named_) -> Response:
    """Create one."""
    columns = data.model_dump() | {"owner_id": change.caller.user_id}
    return created_response(request, await repository.create(change, **columns))


@router.put("/by-code/{code}", response_model=NamedRead)
async def upsert(request: Request, code: str, data: NamedUpdate, change: CurrentChange, repository: Named_) -> Response:
    """Create one with this code, or replace it."""
    key = {"owner_id": change.caller.user_id, "code": code}
    id, _ = await repository.upsert(change, [*key], **key, **data.model_dump())
    return document_response(request, await repository.document(change, id))


@importing(router, NamedCreate, {"code": "x"})
async def import_(lines: Lines, change: CurrentChange, repository: Named_) -> Imported:
    """Create many from a file."""
    async for batch in lines:
        await repository.bulk.store(change, batch, owner_id=change.caller.user_id)
    return lines.outcome()


@router.get("/of-a-caller/{caller_id}", response_model=PageOf[NamedRead], openapi_extra=described(NAMED))
async def of_a_caller(request: Request, caller_id: str, caller: Caller, query: Query, repository: Named_) -> Response:
    """List those with this in one of their fields."""
    return page_response(request, await repository.listed(caller, query, caller_id))


reads(router, NAMED, Named_)


@router.patch("/{named_id}", response_model=NamedRead)
async def update(
    request: Request, named_id: UUID, data: NamedUpdate, change: CurrentChange, repository: Named_
) -> Response:
    """Change one."""
    return document_response(request, await repository.change(change, named_id, **data.changes()))


@router.patch("", openapi_extra=matching_described(NAMED))
async def update_all(change: CurrentChange, matching: Matching, data: NamedUpdate, repository: Named_) -> Affected:
    """Change all that match."""
    return await repository.change_all(change, matching, **data.changes())


@router.delete("/{named_id}", status_code=204)
async def delete(named_id: UUID, change: CurrentChange, repository: Named_) -> None:
    """Delete one."""
    await repository.remove(change, named_id)


@router.post("/{named_id}/restore", response_model=NamedRead)
async def restore(request: Request, named_id: UUID, change: CurrentChange, repository: Named_) -> Response:
    """Restore one."""
    return document_response(request, await repository.bring_back(change, named_id))


MODULE = Module(
    name="named", requires=("users",), container=NamedContainer, router=router, resources=(NamedRepository,)
)
