"""Authenticators in software: an app that shows codes, and a device with passkeys, as a browser speaks for it."""

import hashlib
import json
import os
from base64 import b32decode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from modules.users.factors import totp

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of what an authenticator tells (WebAuthn §6.1)."""


def code_of(secret: str, ahead: int = 0) -> str:
    """What an app with this secret shows, so many steps from now."""
    return totp.code_at(b32decode(secret), totp.present_step() + ahead)


class Device:
    """Has one passkey, on P-256, and counts its signatures."""

    def __init__(self, origin: str = "https://www.example.org", rp_id: str = "www.example.org") -> None:
        self.origin = origin
        self.rp_id = rp_id
        self.flags = PRESENT | VERIFIED
        self.id = os.urandom(32)
        self.sign_count = 0
        self.user_handle = b""
        self._key = generate_private_key(SECP256R1())

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create()` gives for the options, in `toJSON()`."""
        self.user_handle = _bytes(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(key)
        data = self._data(self.flags | ATTESTED) + attested
        return self._credential(
            clientDataJSON=_text(self._client_data("webauthn.create", options["challenge"])),
            attestationObject=_text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            transports=["internal"],
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.get()` gives for the options, in `toJSON()`."""
        self.sign_count += 1
        data, client_data = self._data(self.flags), self._client_data("webauthn.get", options["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=_text(client_data),
            authenticatorData=_text(data),
            signature=_text(signature),
            userHandle=_text(self.user_handle),
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _credential(self, **response: Any) -> dict[str, Any]:
        id = _text(self.id)
        return {
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")
