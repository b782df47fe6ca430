"""What can go wrong with second factors."""

from pydantic import BaseModel, Field

from shared.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class FactorNotFound(NotFound):
    """You have no second factor with this id."""


class FactorConfirmed(Conflict):
    """This factor is confirmed already, or none that gives codes."""


class NoSecondFactor(Conflict):
    """Recovery codes are for those who have a second factor: add one first."""


class TooManyFactors(Conflict):
    """An account has at most ten second factors. Remove one first."""


class WrongCode(Forbidden):
    """This code is not right. Look whether the clock of your device is, and send the code that it shows now."""


class Demanded(BaseModel):
    """What a sign-in can be completed with."""

    factors: list[str] = Field(
        description="`totp` and `recovery_code`: send it as `code`. `passkey`: sign in with that, without a password.",
        examples=[["totp", "recovery_code"]],
    )


class SecondFactorRequired(Unauthenticated):
    """The password is right, and this account asks for more: see `factors`. Send the password again, with a code."""

    document = Demanded


class SecondFactorWrong(Unauthenticated):
    """The password is right and the code is not, or it was used before. Send the next one that your device shows."""


class PasskeyInvalid(Invalid):
    """This does not answer a challenge of ours, or too late, or it answers one that was answered before. Ask for new
    options.
    """


class PasskeyKnown(Conflict):
    """This passkey is registered already."""


class PasskeyRefused(Unauthenticated):
    """No account signs in with this passkey, or it does not answer a challenge of ours that is still good. Ask for new
    options.
    """


class NoPasskeysHere(Conflict):
    """Passkeys belong to a site, and this server does not know its own: its operator has to set TRELLIS_PUBLIC_URL."""
