"""What can go wrong with accounts."""

from shared.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests


class UserNotFound(NotFound):
    """No account with this id is visible to you."""


class UserForbidden(Forbidden):
    """Only an administrator may do this to an account."""


class EmailTaken(Conflict):
    """Another account uses this e-mail address."""


class WrongPassword(Forbidden):
    """The password is not right."""


class WeakPassword(Invalid):
    """This password is one that is tried first: among the most common ones, your e-mail address, your name, or one
    character over and over. Choose another.
    """


class OwnAddress(Forbidden):
    """You change your own e-mail address with your password, at `/users/me/email`."""


class LastAdministrator(Conflict):
    """This is the last administrator who can sign in. Make another account an administrator first."""


class OwnAccount(Conflict):
    """Nobody takes the rights of an administrator from themselves, or stops their own account: another administrator
    does.
    """


class TooManyServices(Conflict):
    """You own as many services as this server allows. Delete one first."""


class ServiceNoAdministrator(Conflict, constraint="ck_users_service_no_administrator"):
    """A service is no administrator. It acts for the person who owns it."""


class ServiceNoAddress(Conflict):
    """A service has no e-mail address: nobody signs in to it, and mail about it goes to the person who owns it."""


class ServiceWithoutOwner(Conflict):
    """The account that owns this service is deleted. Restore that one first: a service acts for its owner."""


class TooManyRegistrations(TooManyRequests):
    """Too many accounts were registered lately, from your address or in all. Wait for the seconds in the Retry-After
    header.
    """


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords were tried. Wait for the seconds in the Retry-After header: until then even the right
    password is refused.
    """


class TooManyMails(TooManyRequests):
    """Too many mails were asked for, to this address or from yours. Wait for the seconds in the Retry-After header."""
