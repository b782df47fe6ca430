"""Callers with API keys."""

from typing import Any

from httpx2 import Response

from tests.callers import Caller


async def key_of(owner: Caller, *scopes: str, **fields: Any) -> dict[str, Any]:
    """A new key of the owner's, and its secret among its members."""
    answer = await owner.post("/auth/keys", json={"name": "A key", "scopes": scopes or ["users:read"], **fields})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return {**made["key"], "secret": made["secret"]}


def sent(key: dict[str, Any]) -> dict[str, str]:
    """The header by which a request has the key."""
    return {"Authorization": f"Bearer {key['secret']}"}


def is_problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem that was answered, which is this one."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    problem: dict[str, Any] = answer.json()
    return problem
