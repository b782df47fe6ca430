"""What the examples of operations need that nobody can write down beforehand: a code of now, a signature."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from httpx2 import AsyncClient

from modules.users.tests.authenticators import Device, code_of

Ready = tuple[Mapping[str, str], Mapping[str, Any]]
"""Values in the path, and members of the body."""


async def _app(caller: AsyncClient) -> Ready:
    """An app that waits for its first code. That of the next step is good longest."""
    new = (await caller.post("/auth/factors/totp", json={})).json()
    return {"factor_id": new["factor"]["id"]}, {"code": code_of(new["secret"], 1)}


async def _an_app(caller: AsyncClient) -> Ready:
    path, _ = await _app(caller)
    return path, {}


async def _confirmed(caller: AsyncClient) -> Ready:
    path, body = await _app(caller)
    await caller.post(f"/auth/factors/{path['factor_id']}/confirm", json=body)
    return {}, {}


async def _new_passkey(caller: AsyncClient) -> Ready:
    options = (await caller.post("/auth/passkeys/options")).json()
    return {}, {"credential": Device().create(options)}


async def _passkey(caller: AsyncClient) -> Ready:
    device = Device()
    credential = device.create((await caller.post("/auth/passkeys/options")).json())
    await caller.post("/auth/passkeys", json={"credential": credential})
    return {}, {"credential": device.get((await caller.post("/auth/sessions/passkey/options")).json())}


async def _key(caller: AsyncClient) -> Ready:
    """One that the caller has made, by their id."""
    made = await caller.post("/auth/keys", json={"name": "Nightly", "scopes": ["users:read"]})
    return {"user_id": (await caller.get("/users/me")).json()["id"], "key_id": made.json()["key"]["id"]}, {}


READY: Mapping[str, Callable[[AsyncClient], Awaitable[Ready]]] = {
    "users_revoke_key": _key,
    "factors_confirm": _app,
    "factors_get": _an_app,
    "factors_remove": _an_app,
    "factors_renew_recovery_codes": _confirmed,
    "factors_register_passkey": _new_passkey,
    "factors_sign_in": _passkey,
}
"""By the ids of operations."""
