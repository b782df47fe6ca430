"""Rows of the projects module."""

from datetime import UTC, datetime

from factory import Faker, SelfAttribute, Sequence

from modules.projects.models import Invitation, Project, ProjectMember, ProjectTag, Role
from tests.factories import RowFactory


class ProjectFactory(RowFactory[Project]):
    """Projects; give the owner_id."""

    class Meta:
        model = Project

    name = Sequence(lambda n: f"Project {n}")
    description = Faker("sentence")
    created_at = None
    owner_since = SelfAttribute("created_at")


class MemberFactory(RowFactory[ProjectMember]):
    """Memberships; give the project_id, the user_id and the role."""

    class Meta:
        model = ProjectMember


class ProjectTagFactory(RowFactory[ProjectTag]):
    """Tags on projects; give the project_id and the tag_id."""

    class Meta:
        model = ProjectTag


class InvitationFactory(RowFactory[Invitation]):
    """Invitations; give the project_id, the inviter_id, and a user_id or an email."""

    class Meta:
        model = Invitation

    role = Role.VIEWER
    expires_at = datetime(2200, 1, 1, tzinfo=UTC)
