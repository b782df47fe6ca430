"""The change: what a request demands of which row, what it was allowed, and when the caller is looked at."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient, Response
from sqlmodel import select

from modules.projects.models import Project
from modules.projects.tests.factories import ProjectFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import UserSession
from shared.auth import Principal
from shared.errors import Invalid, Unauthenticated
from shared.http.routes.authentication import CurrentChange, PublicChange
from shared.http.routes.routing import Route
from shared.http.routes.traits import operation
from shared.schemas import Patch
from shared.wire import Demand
from shared.writes import Change
from shared.writes.preconditions import (
    Precondition,
    PreconditionFailed,
    PreconditionRequired,
    Tags,
    VersionMismatch,
)
from tests.applications import bound_client
from tests.callers import Caller
from tests.contract.test_problems import is_problem


@pytest.fixture
def tags(application):
    """The repository."""
    return application.containers["tags"].repository()


@pytest.fixture
def projects(application):
    """The repository."""
    return application.containers["projects"].repository()


@pytest.fixture
async def ann(signed_in: Callable[..., Awaitable[Caller]]) -> Caller:
    return await signed_in()


@pytest.fixture
async def tag(ann) -> Tag:
    """At version 1."""
    return await TagFactory.saved(owner_id=ann.id, name="before")


@pytest.fixture
async def project(ann) -> Project:
    """At version 3."""
    project = await ProjectFactory.saved(owner_id=ann.id)
    for n in range(2):
        assert (await ann.patch(f"/projects/{project.id}", json={"name": f"{n}"})).status_code == 200
    return project


@pytest.fixture
async def made(database, ann) -> AsyncIterator[Callable[..., Change]]:
    """Makes Ann's changes, in a unit of work."""
    async with database.unit_of_work() as unit:
        yield lambda *about: Change(unit, Principal(ann.id), *about)


def seen(version: int) -> Precondition:
    """What a client demands that has seen this version."""
    return Precondition(if_match=Tags(strong=frozenset({version})))


class TestAPrecondition:
    async def test_is_compared_with_the_row_that_it_is_about_whatever_is_locked_before(
        self, made, tags, projects, tag, project
    ):
        change = made(seen(1), tag.id)
        await projects.lock(change, project.id, "change")
        assert not change.is_settled
        await tags.lock(change, tag.id, "change")
        assert change.is_settled
        change.demand_settled()

    async def test_is_not_met_by_the_version_of_another_row(self, made, tags, projects, tag, project):
        change = made(seen(3), tag.id)
        await projects.lock(change, project.id, "change")
        with pytest.raises(VersionMismatch) as raised:
            await tags.lock(change, tag.id, "change")
        assert raised.value.version == 1
        assert str(tag.id).encode() in (raised.value.content or b"")

    async def test_is_about_the_row_that_an_endpoint_names(self, made, tags, projects, tag, project):
        change = made(seen(1), project.id).about(tag.id)
        await projects.lock(change, project.id, "change")
        await tags.lock(change, tag.id, "change")
        change.demand_settled()

    async def test_is_compared_once(self, made, tags, tag):
        """The version that the change itself made is none that a client could have seen."""
        change = made(seen(1), tag.id)
        row = await tags.lock(change, tag.id, "change")
        await tags.update(change, row, name="after")
        assert (await tags.lock(change, tag.id, "change")).version == 2

    async def test_that_nothing_was_compared_with_fails(self, made, tags, projects, tag, project):
        change = made(seen(1), uuid4())
        await projects.lock(change, project.id, "change")
        await tags.lock(change, tag.id, "change")
        with pytest.raises(PreconditionFailed):
            change.demand_settled()

    async def test_that_is_required_is_required_of_the_row_that_it_is_about(self, made, tags, projects, tag, project):
        change = made(Precondition(is_required=True), tag.id)
        await projects.lock(change, project.id, "change")
        with pytest.raises(PreconditionRequired):
            await tags.lock(change, tag.id, "change")

    def test_that_wants_none_is_settled_where_there_is_none(self):
        """`If-None-Match: *` on what is created, and what is required of a creation."""
        for precondition in (Precondition(if_none_match=Tags(is_any=True)), Precondition(is_required=True), None):
            Change(UNIT, precondition=precondition).demand_settled()


class TestAChange:
    def test_of_nobody_has_no_caller(self):
        with pytest.raises(Unauthenticated):
            _ = Change(UNIT).caller

    async def test_tells_what_was_allowed(self, made, tags, projects, tag, project):
        change = made()
        await projects.lock(change, project.id, "manage")
        await tags.lock(change, tag.id, "delete")
        await tags.document(change, tag.id)
        expected = [("projects", "manage", project.id), ("tags", "delete", tag.id), ("tags", "read", tag.id)]
        assert change.permissions == expected


UNIT: Any = None
"""For what needs no transaction."""


def of_rows(router: APIRouter, projects: Any, tags: Any) -> None:
    """Endpoints that lock what they are told."""

    async def rename(change: Change, project_id: UUID, tag_id: UUID) -> None:
        await projects.lock(change, project_id, "change")
        tag = await tags.lock(change, tag_id, "change")
        await tags.update(change, tag, name="after")

    @router.patch("/projects/{project_id}/tags/{tag_id}")
    async def change_child(change: CurrentChange, project_id: UUID, tag_id: UUID) -> None:
        await rename(change, project_id, tag_id)

    @router.patch("/tags/{tag_id}/of/{project_id}")
    @operation(about="tag_id")
    async def change_declared(change: CurrentChange, project_id: UUID, tag_id: UUID) -> None:
        await rename(change, project_id, tag_id)

    @router.patch("/projects/{project_id}/tag")
    async def change_named(change: CurrentChange, project_id: UUID, tag_id: UUID) -> None:
        await rename(change.about(tag_id), project_id, tag_id)


def of_callers(router: APIRouter, tags: Any) -> None:
    """Endpoints that differ in when they execute something."""

    @router.post("/tags")
    async def add(change: CurrentChange) -> None:
        await tags.add(change, owner_id=change.caller.user_id, name="new", slug="new", color="#000000")

    @router.post("/nothing")
    async def nothing(change: CurrentChange) -> None:
        """No statement."""

    @router.post("/failing")
    async def failing(change: CurrentChange) -> None:
        raise Invalid

    @router.post("/later")
    async def failing_later(change: CurrentChange) -> None:
        await add(change)  # Its statement waits for the next one.
        raise Invalid

    @router.post("/body")
    async def needs_body(change: CurrentChange, body: Patch) -> None:
        raise AssertionError

    @router.post("/public")
    @operation(public=True)
    async def public(change: PublicChange) -> bool:
        return change.principal is not None

    @router.post("/slow")
    @operation(slow=True)
    async def slow(change: CurrentChange) -> bool:
        return change.principal is not None


@pytest.fixture
async def http(application, ann, tags, projects) -> AsyncIterator[AsyncClient]:
    """A client of a small application; Ann calls."""
    router = APIRouter(route_class=Route)
    of_rows(router, projects, tags)
    of_callers(router, tags)
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with bound_client(router, application.kernel, application.http, headers=headers) as client:
        yield client


PATHS = [
    "/projects/{project}/tags/{tag}",
    "/tags/{tag}/of/{project}",
    "/projects/{project}/tag?tag_id={tag}",
]


class TestARequestWithIfMatch:
    @pytest.mark.parametrize("path", PATHS, ids=["by the path", "by `about` of the route", "by `about` of the change"])
    async def test_is_compared_with_the_row_and_not_with_its_parent(self, http, ann, tag, project, path):
        url = path.format(tag=tag.id, project=project.id)
        for version in (3, 2):
            refused = await http.patch(url, headers={"If-Match": f'"{version}-x"'})
            is_problem(refused, 412, "version_mismatch")
            assert refused.headers["ETag"].startswith('"1-')
        assert (await ann.get(f"/tags/{tag.id}")).json()["name"] == "before"
        assert (await http.patch(url, headers={"If-Match": '"1-x"'})).status_code == 200
        assert (await ann.get(f"/tags/{tag.id}")).json()["name"] == "after"

    async def test_that_nothing_was_compared_with_is_412_and_keeps_nothing(self, http, ann):
        is_problem(await http.post("/tags", headers={"If-Match": "*"}), 412, "precondition_failed")
        assert (await ann.get("/tags")).json()["items"] == []
        assert (await http.post("/tags")).status_code == 200
        assert len((await ann.get("/tags")).json()["items"]) == 1


@pytest.fixture
def asked(application, database, monkeypatch) -> list[str]:
    """Where the session is looked for, as it comes: by itself, or with a unit of work's statements."""
    log: list[str] = []
    read, wire = database.read, database.write_lane.wire
    sent = wire._result_of
    # Those that the routes have, should another test have had the container make another one.
    authenticators = (application.http.mutations().authenticator, application.kernel.authenticator())
    who_calls = {authenticator._statement for authenticator in authenticators}

    async def logged_read(statement: Any, values: Any) -> Any:
        log.extend(["by itself"] if statement in who_calls else [])
        return await read(statement, values)

    async def logged_steps(steps: Any) -> Any:
        log.extend("along with others" for step in steps if isinstance(step, Demand))
        return await sent(steps)

    monkeypatch.setattr(database, "read", logged_read)
    monkeypatch.setattr(wire, "_result_of", logged_steps)
    return log


KEY = {"Idempotency-Key": "k"}


class TestWhoCalls:
    """The session is looked for once, with the first statement of the change, or before it where work comes first."""

    @pytest.fixture(params=[{}, KEY], ids=["without a key", "with a key"])
    def headers(self, request) -> dict[str, str]:
        return dict(request.param)

    @pytest.fixture
    async def has_ended(self, database, ann) -> None:
        """Ann's session."""
        async with database.orm() as session:
            await session.delete(await session.get(UserSession, ann.session_id))

    async def test_is_asked_once_with_the_first_statement(self, http, asked, headers):
        assert (await http.post("/tags", headers=headers)).status_code == 200
        assert asked == ["along with others"]

    @pytest.mark.parametrize("path", ["/public", "/slow"])
    async def test_is_asked_first_by_a_public_and_by_a_slow_endpoint(self, http, asked, headers, path):
        assert (await http.post(path, headers=headers)).json() is True
        assert asked == ["by itself"]

    @pytest.mark.usefixtures("has_ended")
    async def test_is_nobody_for_a_public_endpoint_once_the_session_has_ended(self, http, headers):
        assert (await http.post("/public", headers=headers)).json() is False

    @pytest.mark.usefixtures("has_ended")
    @pytest.mark.parametrize("path", ["/tags", "/nothing", "/failing", "/later", "/slow"])
    async def test_is_all_that_one_is_told_whose_session_has_ended(self, http, ann, database, headers, path):
        """Whether or not a statement is executed, and whatever else is wrong."""
        assert_unauthenticated(await http.post(path, headers=headers))
        assert not (await database.sql(select(Tag))).all()

    @pytest.mark.usefixtures("has_ended")
    async def test_is_not_asked_again_of_whom_the_edge_has_refused(self, http, asked, headers):
        assert_unauthenticated(await http.post("/slow", headers=headers))
        assert asked == ["by itself"]

    @pytest.mark.usefixtures("has_ended")
    async def test_is_asked_before_a_refusal_of_the_body(self, http):
        assert_unauthenticated(await http.post("/body", content=b"{}"))

    @pytest.mark.usefixtures("has_ended")
    async def test_is_refused_as_no_operation_of_a_batch(self, ann):
        operations = [{"method": "POST", "path": "/tags", "body": {"name": "x"}}]
        is_problem(await ann.post("/batch", json={"operations": operations}), 401, "invalid_token")

    @pytest.mark.parametrize("token", ["x", "a.b.c", "{}x"])
    async def test_is_not_asked_for_a_token_that_is_none(self, http, ann, asked, headers, token):
        credentials = {"Authorization": f"Bearer {token.format(ann.token)}"}
        assert_unauthenticated(await http.post("/tags", headers=headers | credentials))
        assert asked == []


def assert_unauthenticated(answer: Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
