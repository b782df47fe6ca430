"""Requests of what is confirmed by mail."""

from typing import Annotated

from pydantic import Field

from modules.users.schemas import CHOSEN, PASSWORD, AccountEmail, GivenPassword, Password
from shared.schemas import Input, Text

_TOKEN = "q8VnP0xSxM0rT4yqk2bX6cJ1wGdLr3uHsYf5oZ9aEiQ"  # noqa: S105 (an example)

MailedToken = Annotated[
    Text, Field(min_length=1, max_length=200, description="The token in the link of the mail.", examples=[_TOKEN])
]


class ResetRequest(Input):
    """Somebody who does not know the password of an account any more."""

    email: AccountEmail


class Reset(Input):
    """A new password, by the token of a mail."""

    token: MailedToken
    new_password: Password = Field(description=CHOSEN, examples=["a longer horse battery staple"])


class AddressConfirmation(Input):
    """That a mail has arrived; of a registration also that it is one's own."""

    token: MailedToken
    password: GivenPassword | None = Field(
        None,
        description="The password that was chosen for an account which this makes. Of other links it is not looked at.",
        examples=[PASSWORD],
    )


class AddressChange(Input):
    """Another e-mail address, and the password as proof."""

    email: AccountEmail
    current_password: GivenPassword = Field(description="The present one.", examples=[PASSWORD])
