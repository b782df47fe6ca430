"""The rules of invitations: nobody becomes a member of a project who has not accepted that.

Every change of an invitation locks its project first, as changes of the project and of its members do.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from modules.projects.api import MemberInvited
from modules.projects.errors import AddressNotVerified, AlreadyMember, InvitationNotFound, TooManyInvitations
from modules.projects.models import Invitation, Project
from modules.projects.policy import ACCEPT, DECLINE
from modules.projects.repository import InvitationRepository, ProjectRepository
from modules.projects.schemas import InvitationCreate
from modules.projects.settings import ProjectSettings
from modules.users.api import UsersApi
from shared.auth import DELETE, InvalidToken
from shared.events import Events
from shared.mail import Mailer
from shared.reads import Representation
from shared.writes import Change


class InvitationService:
    """Invites to projects, and takes the answers."""

    def __init__(
        self,
        invitations: InvitationRepository,
        projects: ProjectRepository,
        *,
        users: UsersApi,
        events: Events,
        mailer: Mailer,
        settings: ProjectSettings,
    ) -> None:
        self._invitations = invitations
        self._projects = projects
        self._users = users
        self._events = events
        self._mailer = mailer
        self._settings = settings

    async def invite(self, change: Change, project_id: UUID, data: InvitationCreate) -> Representation:
        """A new invitation. Nothing tells whether there is such an account. Raises ProjectNotFound, ProjectForbidden,
        AlreadyMember, AlreadyInvited, TooManyInvitations, OneAddressee.
        """
        project = await self._projects.lock(change, project_id, "manage")
        if data.user_id is not None and await self._is_member(change, project, data.user_id):
            raise AlreadyMember(pointer="/user_id")
        if await self._invitations.count_open(change, project_id) >= self._settings.most_invitations:
            raise TooManyInvitations
        id = await self._invitations.add(
            change,
            project_id=project_id,
            inviter_id=change.caller.user_id,
            expires_at=datetime.now(UTC) + timedelta(days=self._settings.invitation_days),
            **data.model_dump(),
        )
        await self._events.publish(change, MemberInvited(id))
        return await self._invitations.document(change, id)

    async def accept(self, change: Change, id: UUID) -> None:
        """The caller becomes a member; who is one stays what they are. Raises InvitationNotFound,
        InvitationForbidden, InvalidToken; and AddressNotVerified where mail could have shown that an address is the
        caller's, and has not.
        """
        project, invitation = await self._locked(change, id, ACCEPT)
        caller_id = change.caller.user_id
        # An account that is being deleted just now takes its memberships along, and would not see this one.
        if not await self._users.hold_live(change, [caller_id]):
            raise InvalidToken
        is_to_be_verified = invitation.email is not None and self._mailer.reaches_people
        if is_to_be_verified and not await self._users.has_verified_address(change, caller_id):
            raise AddressNotVerified
        if not await self._is_member(change, project, caller_id):
            await self._projects.memberships.insert(
                change, project_id=project.id, user_id=caller_id, role=invitation.role
            )
            await self._projects.touch(change, project)
        await self._invitations.delete(change, invitation)
        await self._invitations.withdraw_for(change, project.id, caller_id)

    async def decline(self, change: Change, id: UUID) -> None:
        """The caller does not become a member. Raises InvitationNotFound, InvitationForbidden."""
        _, invitation = await self._locked(change, id, DECLINE)
        await self._invitations.delete(change, invitation)

    async def withdraw(self, change: Change, project_id: UUID, id: UUID) -> None:
        """Take an invitation back. Raises InvitationNotFound, InvitationForbidden."""
        project, invitation = await self._locked(change, id, DELETE)
        if project.id != project_id:
            raise InvitationNotFound
        await self._invitations.delete(change, invitation)

    async def _locked(self, change: Change, id: UUID, action: str) -> tuple[Project, Invitation]:
        project = await self._projects.hold_inviting(change, id)
        invitation = await self._invitations.lock(change, id, action)
        if project is None:
            raise InvitationNotFound  # It was made since we looked.
        return project, invitation

    async def _is_member(self, change: Change, project: Project, user_id: UUID) -> bool:
        if project.owner_id == user_id:
            return True
        return await self._projects.memberships.find(change, project_id=project.id, user_id=user_id) is not None
