"""The HTTP side of projects, and of invitations to them."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Request, Response

from modules.projects.container import ProjectsContainer
from modules.projects.errors import ExternalIdTaken, InvitationNotFound
from modules.projects.invitations import InvitationService
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.schemas import (
    INVITATIONS,
    MEMBERS,
    PROJECTS,
    InvitationCreate,
    InvitationRead,
    MemberRead,
    MemberWrite,
    ProjectCreate,
    ProjectRead,
    ProjectReplace,
    ProjectsUpdate,
    ProjectUpdate,
)
from modules.projects.service import ProjectService
from shared.http.imports import importing, lines_of
from shared.http.reads import (
    ExportResponse,
    PageOf,
    created_response,
    described,
    document_response,
    export_response,
    list_query,
    matching_described,
    matching_query,
    page_response,
    reads,
)
from shared.http.routes import (
    IF_MATCH,
    IF_NONE_MATCH,
    Caller,
    CurrentChange,
    CurrentPrincipal,
    key_parameter,
    operation,
    path_key,
    resource_router,
)
from shared.reads import ListQuery
from shared.writes import Affected, Import, Imported

Service = Annotated[ProjectService, Provide[ProjectsContainer.service]]
Repository = Annotated[ProjectRepository, Provide[ProjectsContainer.repository]]
MembersQuery = Annotated[ListQuery, Depends(list_query(MEMBERS))]
ExportQuery = Annotated[ListQuery, Depends(list_query(PROJECTS.without_pages()))]
Matching = Annotated[ListQuery, Depends(matching_query(PROJECTS))]
ProjectLines = Annotated[Import[ProjectCreate], Depends(lines_of(ProjectCreate))]
ExternalId = Annotated[str, Depends(path_key("external_id"))]

Invitations = Annotated[InvitationRepository, Provide[ProjectsContainer.invitation_repository]]
Inviting = Annotated[InvitationService, Provide[ProjectsContainer.invitation_service]]
InvitationsQuery = Annotated[ListQuery, Depends(list_query(INVITATIONS))]

projects = resource_router(
    "/projects",
    about="Projects, with their members and tags. An owner shares a project by inviting others to a role in it. A "
    "deleted one is in the trash until it is purged, and can be restored.",
)
invitations = resource_router(
    "/invitations",
    about="Invitations to projects. An owner invites by account or by address; the answer is the same whether or not "
    "there is such an account. An invitation to an address is for the account that has it. Until it is accepted, the "
    "invited person sees the project's name and who invites, and the project does not see who they are. An invitation "
    "ends when it is accepted, declined or taken back, when it expires, and when who invited is an owner no more.",
)


@projects.post("", status_code=201, response_model=ProjectRead)
async def create(request: Request, data: ProjectCreate, change: CurrentChange, service: Service) -> Response:
    """Create a project."""
    return created_response(request, await service.create(change, data))


@projects.get(
    "/export",
    status_code=200,
    response_class=ExportResponse,
    openapi_extra=described(PROJECTS.without_pages()),
)
async def export(request: Request, principal: CurrentPrincipal, query: ExportQuery, repository: Repository) -> Response:
    """Export your projects, as NDJSON or CSV; the parameters of the list filter them."""
    columns = query.shape.view.names(ProjectRead)
    return await export_response(request, principal, repository.export(principal, query), columns, "projects")


@importing(
    projects, ProjectCreate, {"external_id": "crm/43", "name": "Relaunch", "due_on": "2026-12-31", "tag_ids": []}
)
async def import_(lines: ProjectLines, change: CurrentChange, service: Service) -> Imported:
    """Create many projects from a file."""
    return await service.import_(change, lines)


# Before the paths that have an id in place of `by-external-id`: a key may contain slashes and look like their rest.
@projects.put(
    "/by-external-id/{external_id:key}",
    response_model=ProjectRead,
    responses={201: {"model": ProjectRead, "description": "The project is new."}},
    openapi_extra={"parameters": [key_parameter("external_id"), IF_MATCH, IF_NONE_MATCH]},
)
async def upsert(
    request: Request, external_id: ExternalId, data: ProjectReplace, change: CurrentChange, service: Service
) -> Response:
    """Create a project with your own key for it, or replace your project that has the key."""
    is_new, document = await service.upsert(change, external_id, data)
    return created_response(request, document) if is_new else document_response(request, document)


reads(projects, PROJECTS, Repository, listed="the projects that you own or are a member of")


@projects.patch("/{project_id}", response_model=ProjectRead)
async def update(
    request: Request, project_id: UUID, data: ProjectUpdate, change: CurrentChange, service: Service
) -> Response:
    """Change a project."""
    return document_response(request, await service.change(change, project_id, data))


@projects.patch("", openapi_extra=matching_described(PROJECTS))
@operation(never=(ExternalIdTaken,), cost=10)  # It is not among these members.
async def update_all(
    change: CurrentChange, matching: Matching, data: ProjectsUpdate, repository: Repository
) -> Affected:
    """Change all projects that match."""
    return await repository.change_all(change, matching, **data.changes())


@projects.delete("/{project_id}", status_code=204)
async def delete(project_id: UUID, change: CurrentChange, repository: Repository) -> None:
    """Delete a project. It can be restored."""
    await repository.remove(change, project_id)


@projects.delete("", openapi_extra=matching_described(PROJECTS))
@operation(cost=10)
async def delete_all(change: CurrentChange, matching: Matching, repository: Repository) -> Affected:
    """Delete all projects that match. Each can be restored."""
    return await repository.remove_all(change, matching)


@projects.post("/{project_id}/restore", response_model=ProjectRead)
async def restore(request: Request, project_id: UUID, change: CurrentChange, repository: Repository) -> Response:
    """Restore a deleted project."""
    return document_response(request, await repository.bring_back(change, project_id))


@projects.put("/{project_id}/tags/{tag_id}", status_code=204)
@operation(about="project_id")
async def attach_tag(project_id: UUID, tag_id: UUID, change: CurrentChange, service: Service) -> None:
    """Put a tag on a project: your own, or one of the project's owner."""
    await service.attach(change, project_id, tag_id)


@projects.delete("/{project_id}/tags/{tag_id}", status_code=204)
@operation(about="project_id")
async def detach_tag(project_id: UUID, tag_id: UUID, change: CurrentChange, service: Service) -> None:
    """Take a tag off a project."""
    await service.detach(change, project_id, tag_id)


@projects.get("/{project_id}/members", response_model=PageOf[MemberRead], openapi_extra=described(MEMBERS))
async def list_members(
    request: Request, project_id: UUID, caller: Caller, query: MembersQuery, repository: Repository
) -> Response:
    """List the owner and the members of a project: the owner first, then by time of joining."""
    return page_response(request, await repository.members(project_id, caller, query))


@projects.put("/{project_id}/members/{user_id}", status_code=204)
@operation(about="project_id")
async def set_member(
    project_id: UUID, user_id: UUID, data: MemberWrite, change: CurrentChange, service: Service
) -> None:
    """Give a member of a project another role."""
    await service.set_member(change, project_id, user_id, data.role)


@projects.delete("/{project_id}/members/{user_id}", status_code=204)
@operation(about="project_id")
async def remove_member(project_id: UUID, user_id: UUID, change: CurrentChange, service: Service) -> None:
    """Remove a member of a project, or leave it."""
    await service.remove_member(change, project_id, user_id)


@projects.post("/{project_id}/invitations", status_code=201, response_model=InvitationRead)
@operation(never=(InvitationNotFound,))  # Who lost sight of it lost sight of the project.
async def invite(
    request: Request, project_id: UUID, data: InvitationCreate, change: CurrentChange, service: Inviting
) -> Response:
    """Invite somebody to a project. They become a member when they accept."""
    return created_response(request, await service.invite(change, project_id, data), invitations)


@projects.get("/{project_id}/invitations", response_model=PageOf[InvitationRead], openapi_extra=described(INVITATIONS))
async def list_invitations(
    request: Request, project_id: UUID, caller: Caller, query: InvitationsQuery, repository: Invitations
) -> Response:
    """List the open invitations to a project, newest first. For those who manage it."""
    return page_response(request, await repository.of_project(project_id, caller, query))


@projects.delete("/{project_id}/invitations/{invitation_id}", status_code=204)
async def withdraw_invitation(project_id: UUID, invitation_id: UUID, change: CurrentChange, service: Inviting) -> None:
    """Take an invitation to a project back."""
    await service.withdraw(change, project_id, invitation_id)


reads(invitations, INVITATIONS, Invitations, listed="the open invitations that are for you")


@invitations.post("/{invitation_id}/accept", status_code=204)
async def accept(invitation_id: UUID, change: CurrentChange, service: Inviting) -> None:
    """Accept an invitation: become a member of its project."""
    await service.accept(change, invitation_id)


@invitations.post("/{invitation_id}/decline", status_code=204)
async def decline(invitation_id: UUID, change: CurrentChange, service: Inviting) -> None:
    """Decline an invitation."""
    await service.decline(change, invitation_id)


router = APIRouter(routes=[*projects.routes, *invitations.routes])
