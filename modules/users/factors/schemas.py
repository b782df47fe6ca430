"""Requests and documents of second factors."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, FromClause, select

from modules.users.factors.models import Factor, FactorKind, FactorUse
from shared.exact import Exactly
from shared.extensions import Extensions
from shared.reads import Collection, Derived, Document
from shared.rows import table_of
from shared.schemas import Input, Line, Text

CodeText = Annotated[Text, Field(max_length=100)]


def _last_use(factors: FromClause, _: Extensions) -> ColumnElement[Any]:
    uses = table_of(FactorUse)
    return select(uses.c.used_at).where(uses.c.factor_id == factors.c.id).correlate(factors).scalar_subquery()


class FactorRead(Document, of=Factor):
    """A second factor: an authenticator app, or a passkey."""

    id: UUID
    kind: FactorKind = Field(description="What it is: `totp` is an authenticator app.")
    name: str = Field(description="What its owner calls it.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Until when it can be confirmed; null once it is.")
    last_used_at: Annotated[datetime | None, Derived(_last_use)] = Field(
        description="When it was used the last time: to confirm it, or to sign in."
    )


FACTORS = Collection(FactorRead, filters=("kind",))


class TotpCreate(Input):
    """A new authenticator app."""

    name: Line = Field("Authenticator app", description="What you call it.", examples=["My phone"])


class TotpSecret(BaseModel):
    """A new authenticator app, which asks for nothing yet. This answer alone has its secret."""

    factor: FactorRead = Field(description="It waits for its first code.")
    secret: str = Field(description="The secret in Base32, for an app without a camera.", examples=["GEZDGNBVGY3TQOJQ"])
    uri: str = Field(
        description="The secret as apps read it from a QR code.",
        examples=["otpauth://totp/Trellis:ada%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=Trellis"],
    )


class Confirmation(Input):
    """The first code of an authenticator app."""

    code: CodeText = Field(description="The six digits that it shows now.", examples=["123456"])


class FactorAdded(BaseModel):
    """A second factor from now on, and recovery codes if there were none."""

    factor: FactorRead = Field(description="The factor.")
    recovery_codes: list[str] | None = Field(
        description="Each is good once in the place of a code. This answer alone has them; null when those that you "
        "have stay good.",
        examples=[["k5qw2m-7dyx3a-p4tnbc-zr6fge"]],
    )


class NewRecoveryCodes(BaseModel):
    """New recovery codes. The former ones are good no more."""

    recovery_codes: list[str] = Field(
        description="Each is good once in the place of a code. This answer alone has them.",
        examples=[["k5qw2m-7dyx3a-p4tnbc-zr6fge"]],
    )


class RecoveryCodesLeft(BaseModel):
    """How many recovery codes are left."""

    left: int = Field(description="Make new ones before there are none.", examples=[9])


class _FromBrowser(Exactly, BaseModel):
    """What a browser's `toJSON()` gives. It has members of other versions of the specification, which are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


def _base64url(most: int, words: str, example: str) -> Any:
    """Bytes in the alphabet of RFC 4648 §5, at most so many characters."""
    return Field(max_length=most, description=words, examples=[example])


class AttestationResponse(_FromBrowser):
    """What the authenticator has made."""

    client_data_json: str = Field(
        alias="clientDataJSON",
        max_length=4000,
        description="What the browser says that it was asked, in Base64url.",
        examples=["eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0"],
    )
    attestation_object: str = _base64url(20_000, "The new passkey, in Base64url.", "o2NmbXRkbm9uZQ")


class AssertionResponse(_FromBrowser):
    """What the authenticator has signed."""

    client_data_json: str = Field(
        alias="clientDataJSON",
        max_length=4000,
        description="What the browser says that it was asked, in Base64url.",
        examples=["eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"],
    )
    authenticator_data: str = _base64url(4000, "What the authenticator tells, in Base64url.", "SZYN5YgOjGh0NBcP")
    signature: str = _base64url(2000, "Its signature, in Base64url.", "MEUCIQDx")
    user_handle: str = _base64url(100, "Whose passkey it is, in Base64url.", "AZwvTgAAcACAAAAAAAAAAA")


class _Credential(_FromBrowser):
    id: str = _base64url(1400, "The passkey's id, in Base64url.", "q83vEjRWeJA")
    raw_id: str = _base64url(1400, "The same.", "q83vEjRWeJA")
    type: Literal["public-key"] = Field(description="What it is.")

    def as_sent(self) -> dict[str, Any]:
        """In JSON."""
        return self.model_dump(by_alias=True)


class Attestation(_Credential):
    """A new passkey, as `navigator.credentials.create()` gives it in `toJSON()`."""

    response: AttestationResponse = Field(description="The authenticator's answer.")


class Assertion(_Credential):
    """A signature of a passkey, as `navigator.credentials.get()` gives it in `toJSON()`."""

    response: AssertionResponse = Field(description="The authenticator's answer.")


class PasskeyCreate(Input):
    """A new passkey."""

    name: Line = Field("Passkey", description="What you call it.", examples=["My laptop"])
    credential: Attestation = Field(description="What the browser has made of the options.")


class PasskeySignIn(Input):
    """A sign-in by passkey."""

    credential: Assertion = Field(description="What the browser has made of the options.")


class _ForBrowser(BaseModel):
    """What a browser takes in `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."""

    model_config = ConfigDict(alias_generator=to_camel)


class Site(BaseModel):
    """Whom the passkey is for."""

    id: str = Field(description="Its domain.", examples=["www.example.com"])
    name: str = Field(description="The same.")


class PasskeyUser(_ForBrowser):
    """Whose the passkey is to be."""

    id: str = Field(description="The account, in Base64url.")
    name: str = Field(description="The e-mail address.")
    display_name: str = Field(description="The same.")


class PasskeyAlgorithm(BaseModel):
    """How a passkey may sign."""

    type: Literal["public-key"] = Field(description="What it is.")
    alg: int = Field(description="The number of the algorithm in COSE (RFC 9053).", examples=[-7])


class PasskeyDescriptor(BaseModel):
    """A passkey that there is."""

    type: Literal["public-key"] = Field(description="What it is.")
    id: str = Field(description="Its id, in Base64url.")


class AuthenticatorSelection(_ForBrowser):
    """What the authenticator has to be capable of."""

    resident_key: Literal["required"] = Field(description="It finds the passkey by the site alone.")
    require_resident_key: bool = Field(description="The same, for older browsers.")
    user_verification: Literal["required"] = Field(description="It knows its owner, by a finger or a PIN.")


class PasskeyCreation(_ForBrowser):
    """The options for a new passkey: give them to `navigator.credentials.create()`."""

    rp: Site = Field(description="The site that the passkey is for.")
    user: PasskeyUser = Field(description="Whose it is to be.")
    challenge: str = Field(description="What is answered, once and within five minutes, in Base64url.")
    pub_key_cred_params: list[PasskeyAlgorithm] = Field(description="How it may sign.")
    timeout: int = Field(description="Milliseconds until it is too late.", examples=[300000])
    exclude_credentials: list[PasskeyDescriptor] = Field(description="No authenticator that has one of these.")
    authenticator_selection: AuthenticatorSelection = Field(description="What it needs to be able to do.")
    attestation: Literal["none"] = Field(description="Its maker need not vouch for it.")


class PasskeyRequest(_ForBrowser):
    """The options for a sign-in by passkey: give them to `navigator.credentials.get()`."""

    challenge: str = Field(description="What is answered, once and within five minutes, in Base64url.")
    timeout: int = Field(description="Milliseconds until it is too late.", examples=[300000])
    rp_id: str = Field(description="The domain of the site.", examples=["www.example.com"])
    allow_credentials: list[PasskeyDescriptor] = Field(description="Empty: any passkey of the site will do.")
    user_verification: Literal["required"] = Field(description="The authenticator knows its owner.")
