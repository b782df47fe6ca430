"""What can go wrong with projects."""

from shared.errors import Conflict, Forbidden, Invalid, NotFound


class ProjectNotFound(NotFound):
    """No project with this id is visible to you."""


class ProjectForbidden(Forbidden):
    """Your role in this project does not allow that."""


class MemberNotFound(NotFound):
    """Nobody with this id is a member of this project. Who is to become one is invited: POST …/invitations."""


class InvitationNotFound(NotFound):
    """No open invitation with this id is visible to you."""


class InvitationForbidden(Forbidden):
    """The invited person accepts or declines an invitation. Owners of the project take it back."""


class AddressNotVerified(Forbidden):
    """This invitation is for whoever has your e-mail address. Show that you have it, and accept then."""


class AlreadyMember(Conflict):
    """This person is a member of the project already. Change their role among its members."""


class AlreadyInvited(Conflict):
    """This person has an open invitation to the project. Take it back to invite them anew."""


class TooManyInvitations(Conflict):
    """The project has as many open invitations as it may have. Take some back, or wait until they are answered."""


class OneAddressee(Invalid, constraint="ck_invitations_one_addressee"):
    """An invitation is for a `user_id` or for an `email`: give one of them."""


class ExternalIdTaken(Conflict):
    """Another of the owner's projects has this external_id."""


class TooManyProjects(Conflict):
    """The owner would have more projects than one account may own. Delete some first."""


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
