"""The codes of authenticator apps: TOTP (RFC 6238), with the parameters that every app knows."""

import hmac
import time
from base64 import b32encode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

ISSUER = "Trellis"
"""What apps call it, beside the account."""
SECRET_BYTES = 20
"""RFC 4226 §4 (R6) recommends 160 bits."""
DIGITS = 6
STEP = 30
"""Seconds (RFC 6238 §5.2; ASVS 6.5.5)."""
_AROUND = (-1, 0, 1)
"""One step for the delay of the network and of the person, and clocks that differ (RFC 6238 §5.2 and §6)."""


def provisioning_uri(secret: bytes, account: str) -> str:
    """What an app reads from a QR code: `otpauth://totp/…`."""
    return TOTP(secret, DIGITS, SHA1(), STEP).get_provisioning_uri(account, ISSUER)  # noqa: S303 (RFC 6238)


def base32(secret: bytes) -> str:
    """What a person types where there is no camera."""
    return b32encode(secret).decode()


def code_at(secret: bytes, step: int) -> str:
    """The code of a time step."""
    return HOTP(secret, DIGITS, SHA1()).generate(step).decode()  # noqa: S303 (RFC 4226)


def present_step() -> int:
    """That of now, by this server's clock (ASVS 6.5.8)."""
    return int(time.time()) // STEP


def step_of(secret: bytes, code: str, after: int = -1) -> int | None:
    """The time step, near now, of which this is the code. It has to come `after` that of the last code that was used:
    none is good twice (RFC 6238 §5.2, ASVS 6.5.1).
    """
    near = [present_step() + around for around in _AROUND]
    fitting = [step for step in near if hmac.compare_digest(code_at(secret, step).encode(), code.encode())]
    return next((step for step in fitting if step > after), None)


def typed(code: str) -> str:
    """A code as apps show it, in two groups of three, without what is between them."""
    return "".join(code.split())
