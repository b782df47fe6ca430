"""Tokens, cursors and keys that the server did not make, or not for this: none of them may be accepted."""

import base64
import hashlib
import hmac
import json
import string
import time
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.auth.api_keys import PREFIX, digest_of, new_key
from shared.auth.tokens import AUDIENCE, ISSUER, TYPE

FLIPS = 64
"""Single bits that are flipped, from the first to the last byte."""


def forged_tokens(genuine: str, key: bytes, user_id: UUID, session_id: UUID) -> Iterator[str]:
    """Of a genuine one: changed, signed by others or by nobody; and signed by the server's key, but no access token of
    this session (RFC 8725 §2).
    """
    head, payload, signature = genuine.split(".")
    claims, now = json.loads(_decoded(payload)), int(time.time())
    yield from (f"{head}.{payload}.{_encoded(flipped)}" for flipped in _flipped(_decoded(signature)))
    yield from (f"{head}.{_encoded(flipped)}.{signature}" for flipped in _flipped(_decoded(payload)))
    yield from (f"{head}.{payload}.", f"{head}.{payload}", f"{head}..{signature}", f".{payload}.{signature}", "..", ".")
    yield from (genuine[:-1], genuine + "A", f"{genuine}.{signature}", f"{head}.{payload}.{signature[::-1]}", "x", "")
    for none in ("none", "None", "NONE", "nOnE", ""):
        yield f"{_encoded_json({'alg': none, 'typ': TYPE})}.{payload}."
        yield f"{_encoded_json({'alg': none, 'typ': TYPE})}.{payload}.{signature}"
    for other in (b"", b"secret", b"k" * 32, key[:-1], key[::-1], key.hex().encode()):
        yield signed(claims, other)
    for algorithm in ("HS384", "HS512", "RS256", "ES256", "EdDSA"):
        yield signed(claims, key, alg=algorithm)
    for more in (
        {"typ": "JWT"},
        {"typ": None},
        {"crit": ["exp"]},
        {"crit": ["x"], "x": 1},
        {"b64": False, "crit": ["b64"]},
    ):
        yield signed(claims, key, **more)
    yield from (signed({name: one for name, one in claims.items() if name != left}, key) for left in claims)
    for wrong in (
        *({"exp": now - 1}, {"exp": 0}, {"exp": -1}, {"exp": "never"}, {"exp": None}, {"iat": now + 3600}),
        *({"iss": "x"}, {"iss": [ISSUER]}, {"aud": "x"}, {"aud": [AUDIENCE]}, {"aud": [AUDIENCE, "x"]}, {"aud": None}),
        *({"sub": str(uuid7())}, {"sub": ""}, {"sub": str(user_id)[:-1]}, {"sub": None}, {"sub": [str(user_id)]}),
        *({"sid": str(uuid7())}, {"sid": str(user_id)}, {"sub": str(session_id)}, {"sid": None}, {"sid": [""]}),
        {"nbf": now + 3600},
    ):
        yield signed(claims | wrong, key)


def forged_cursors(genuine: str) -> Iterator[str]:
    """Of a genuine one: changed, cut, lengthened."""
    signed = base64.b64decode(genuine + "=" * (-len(genuine) % 4), altchars=b"-_")
    yield from map(_encoded, _flipped(signed))
    yield from (genuine[:length] for length in range(1, len(genuine), max(1, len(genuine) // 16)))
    yield from (
        genuine + "A",
        genuine + "=",
        genuine + "==",
        genuine[::-1],
        genuine * 2,
        f" {genuine}x",
        genuine.swapcase(),
    )
    positions: tuple[Any, ...] = ([], [None], [1], ["x", "y"], {}, 0)
    yield from (_encoded(signed[:16] + json.dumps(position).encode()) for position in positions)
    yield from (
        _encoded(bytes(16) + signed[16:]),
        _encoded(signed[16:]),
        _encoded(b"\0" * 40),
        "x",
        "\N{SNOWMAN}",
        "null",
    )
    # The unused bits of the last character: another spelling of the same bytes.
    last = genuine[-1]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield from (genuine[:-1] + letter for letter in letters if letter != last)


def forged_keys(genuine: str) -> Iterator[str]:
    """Of a genuine one: changed, without its checksum and with the one that fits; of another length, case or spelling;
    what the server keeps of it; and keys that are well made, but not by the server.
    """
    body, checksum = genuine.removeprefix(PREFIX)[:-6], genuine[-6:]
    yield from (f"{PREFIX}{changed}" for changed in _other_characters(body + checksum))
    yield from map(checked, _other_characters(body))
    yield from map(checked, (body.swapcase(), body.upper(), body.lower(), body[::-1], body[1:] + body[:1]))
    yield from (genuine.swapcase(), genuine.upper(), genuine.lower(), PREFIX + (body + checksum).swapcase())
    yield from (genuine[:length] for length in range(0, len(genuine), 4))
    yield from (checked(body[:length]) for length in range(0, len(body), 8))
    yield from (
        genuine + "0",
        genuine + checksum,
        genuine * 2,
        f"{genuine},{genuine}",
        checked(body + "0"),
        f"0{genuine}",
    )
    yield from (f"{other}{body}{checksum}" for other in ("", "Trellis_", "trellis-", "trellis", "trellis__", "sk_"))
    yield from (genuine + "%00", genuine + "\0", genuine + "'--", genuine.replace("_", "%5F"), genuine + "\N{SNOWMAN}")
    yield checked("".join(chr(ord(one) + 0xFEE0) for one in body))  # Full width: NFKC would make the same of it.
    kept = digest_of(genuine)
    yield from (kept.hex(), f"\\x{kept.hex()}", _encoded(kept), checked(kept.hex()[:43]), checked(_encoded(kept)))
    yield from (new_key() for _ in range(20))
    yield from (checked(one * 43) for one in "0Az")


def checked(body: str) -> str:
    """A key of these characters, with the checksum that fits."""
    digits, number, written = (
        string.digits + string.ascii_uppercase + string.ascii_lowercase,
        zlib.crc32(body.encode()),
        "",
    )
    for _ in range(6):
        number, digit = divmod(number, 62)
        written = digits[digit] + written
    return f"{PREFIX}{body}{written}"


def _other_characters(text: str) -> Iterator[str]:
    """One after the other is another digit or letter."""
    for place, one in enumerate(text):
        yield f"{text[:place]}{'A' if one != 'A' else 'B'}{text[place + 1 :]}"


def signed(claims: dict[str, Any], key: bytes, **head: Any) -> str:
    """A token, with a signature by HMAC whatever its head says."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(head.get("alg", ""), hashlib.sha256)
    content = f"{_encoded_json({'alg': 'HS256', 'typ': TYPE} | head)}.{_encoded_json(claims)}"
    return f"{content}.{_encoded(hmac.digest(key, content.encode(), digest))}"


def _flipped(content: bytes) -> Iterator[bytes]:
    for turn in range(min(FLIPS, len(content))):
        place = turn * len(content) // min(FLIPS, len(content))
        yield content[:place] + bytes([content[place] ^ (1 << turn % 8)]) + content[place + 1 :]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _encoded_json(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
