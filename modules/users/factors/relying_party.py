"""The relying party: this site, as authenticators know it (W3C WebAuthn). The library webauthn is used here alone."""

import ipaddress
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from modules.users.factors.schemas import Assertion, Attestation

T = TypeVar("T")

VERIFIED = UserVerificationRequirement.REQUIRED
"""By a fingerprint, a face or a PIN: so a passkey is two factors, what one has and what one knows or is."""
LONGEST_ID = 1023
"""Bytes (WebAuthn Level 3 §7.1). The index by which a passkey is found would not take one that is much longer."""


class NewPasskey(NamedTuple):
    """What is kept of a passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class RelyingParty:
    """Asks authenticators, and checks what they sign."""

    def __init__(self, id: str, origin: str, timeout: int) -> None:
        """`id` is a domain, `origin` that of its pages; the timeout of a ceremony is in seconds."""
        self._id = id
        self._origin = origin
        self._timeout = timeout * 1000

    @classmethod
    def at(cls, public_url: str | None, timeout: int) -> "RelyingParty | None":
        """That of the site there, whose URL is as browsers write it; None without one. A passkey belongs to a domain:
        an address in numbers has none, but for the developer's own, which has another name.
        """
        found = urlsplit(public_url or "")
        host = found.hostname or ""
        with suppress(ValueError):
            host = "localhost" if ipaddress.ip_address(host).is_loopback else ""
        port = f":{found.port}" if found.port else ""
        return cls(host, f"{found.scheme}://{host}{port}", timeout) if host else None

    def creation(self, user_id: UUID, email: str, known: Sequence[bytes], challenge: bytes) -> str:
        """The options for a new passkey, in JSON, on no authenticator that has one of those `known`."""
        options = generate_registration_options(
            rp_id=self._id,
            rp_name=self._id,
            user_id=user_id.bytes,
            user_name=email,
            challenge=challenge,
            timeout=self._timeout,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=id) for id in known],
        )
        return options_to_json(options)

    def request(self, challenge: bytes) -> str:
        """The options for a sign-in, in JSON, by whoever has a passkey of this site."""
        options = generate_authentication_options(
            rp_id=self._id, challenge=challenge, timeout=self._timeout, user_verification=VERIFIED
        )
        return options_to_json(options)

    def created(self, credential: Attestation, challenge: bytes) -> NewPasskey | None:
        """The new passkey; None when this does not show that there is one."""
        verified = _checked(
            lambda: verify_registration_response(
                credential=credential.as_sent(),
                expected_challenge=challenge,
                expected_rp_id=self._id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        )
        if verified is None or len(verified.credential_id) > LONGEST_ID:
            return None
        return NewPasskey(verified.credential_id, verified.credential_public_key, verified.sign_count)

    def signed(self, credential: Assertion, challenge: bytes, public_key: bytes, sign_count: int) -> int | None:
        """How many signatures the passkey with this key tells; None when this is no signature of it, or no later one
        than the last one: then there is a copy of it.
        """
        verified = _checked(
            lambda: verify_authentication_response(
                credential=credential.as_sent(),
                expected_challenge=challenge,
                expected_rp_id=self._id,
                expected_origin=self._origin,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )
        )
        return None if verified is None else verified.new_sign_count


def challenge_in(credential: Attestation | Assertion) -> bytes:
    """The challenge that it says it answers; empty when it does not say."""
    told = credential.response.client_data_json
    return _checked(lambda: base64url_to_bytes(json.loads(base64url_to_bytes(told))["challenge"])) or b""


def id_of(credential: Assertion) -> bytes:
    """What the passkey is found by; empty when that is no Base64."""
    return _checked(lambda: base64url_to_bytes(credential.raw_id)) or b""


def owner_in(credential: Assertion) -> bytes:
    """Whose the passkey is, as the authenticator was told; empty when it does not say."""
    return _checked(lambda: base64url_to_bytes(credential.response.user_handle)) or b""


def _checked(check: Callable[[], T]) -> T | None:
    """What it gives; None for any error. The bytes are a client's, and the library and those below it raise whatever
    they stumble on: KeyError for a key without a curve, for example.
    """
    try:
        return check()
    except Exception:  # noqa: BLE001 (see above)
        return None
