"""What can go wrong with projects."""

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class ProjectNotFound(NotFound):
    """No project with this id is visible to you."""


class ProjectForbidden(Forbidden):
    """Your role in this project does not allow that."""


class MemberNotFound(NotFound):
    """Nobody with this id is a member of this project."""


class ExternalIdTaken(Conflict):
    """Another of the owner's projects has this external_id."""


class TooManyProjects(Conflict):
    """You own as many projects as one account may. Delete some first."""


class DatesOutOfOrder(Invalid, constraint="ck_projects_dates_in_order"):
    """The project is due before it starts."""

    def __init__(self) -> None:
        super().__init__(pointer="/due_on")


class OwnerDeleted(Conflict):
    """The project's owner is deleted. A project that was deleted with its owner comes back with the owner."""


class TagNotAttachable(Invalid):
    """This tag does not exist, or belongs to neither you nor the project's owner."""


class LastOwner(Conflict):
    """A project needs an owner. Make somebody else an owner first."""
