"""The OpenAPI document as tests read it: each operation, and a request of it that is made of its examples alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from httpx2 import AsyncClient, Response
from pydantic import SecretStr
from sqlalchemy import text

from app.asgi import create_app
from app.container import compose
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous

_SETTINGS = Settings(
    DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    environment="development",
    secret=SecretStr("a secret for tests, 32 bytes or more"),
)
DOCUMENT: dict[str, Any] = create_app(compose(_SETTINGS, discover())).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
SERVER = "http://test"

READY = {
    id: ready
    for module in discover()
    if find_spec(f"modules.{module.name}.tests.examples")
    for id, ready in import_module(f"modules.{module.name}.tests.examples").READY.items()
}
"""How what no example has is made, such as a signature: `READY` of a module's `tests/examples.py`."""

_PATHS = " ".join(DOCUMENT["paths"])
_PROMOTED = text("UPDATE users SET role = 'admin' WHERE email = 'ada@example.com'")
_MAILED = text("""
    INSERT INTO confirmations (id, purpose, user_id, email, state, digest, expires_at)
    SELECT gen_random_uuid(), purpose, users.id, email,
        sha256(convert_to(password_hash || ' ' || lower(email), 'UTF8')), sha256(convert_to(:token, 'UTF8')),
        now() + interval '1 hour'
    FROM users, (VALUES ('reset'), ('address')) AS wanted (purpose) WHERE email = 'ada@example.com'""")
"""Links in mails to Ada have the token of the example."""


@dataclass(frozen=True)
class Operation:
    """An operation of the document."""

    method: str
    path: str
    told: dict[str, Any] = field(hash=False, compare=False)

    @property
    def id(self) -> str:
        return str(self.told["operationId"])

    def __str__(self) -> str:
        return self.id

    def parameters(self, *places: str) -> dict[str, Any]:
        return {one["name"]: one for one in self.told.get("parameters", ()) if one["in"] in places}

    @property
    def bodies(self) -> dict[str, Any]:
        """By media type."""
        return dict(self.told.get("requestBody", {}).get("content", {}))

    @property
    def scope(self) -> str:
        """That a key needs for it; empty where no key is taken, or it depends."""
        return next((one["ApiKey"][0] for one in self.told["security"] if one.get("ApiKey")), "")

    @property
    def is_public(self) -> bool:
        return not self.told["security"]


OPERATIONS = [
    Operation(method.upper(), path, told) for path, item in DOCUMENT["paths"].items() for method, told in item.items()
]
REGISTER, SIGN_IN = (next(one for one in OPERATIONS if one.id == id) for id in ("users_register", "auth_token"))


def example_of(parameter: dict[str, Any]) -> Any:
    """None when it has none."""
    return parameter["example"] if "example" in parameter else next(iter(parameter["schema"].get("examples", ())), None)


def written(value: Any) -> str:
    """A parameter's value, as it stands in a request."""
    if isinstance(value, list):
        return ",".join(map(written, value))
    return value if isinstance(value, str) else json.dumps(value)


class Reader:
    """Somebody who has read nothing but the document: Ada registers and signs in by its examples. An operator makes
    her an administrator, so that she may call everything.
    """

    def __init__(self, app: Any, database: Any, admin: AsyncClient) -> None:
        self._app = app
        self._database = database
        self._admin = admin
        self._caller: AsyncClient = anonymous(app)
        self._ada = ""

    async def request(self, operation: Operation, media_type: str = "", **more: Any) -> Response:
        """The answer to the example of an operation, about rows that other examples have made."""
        if operation is not REGISTER:
            self._caller = await self._signed_in()
        if operation.id in READY:
            values, members = await READY[operation.id](self._caller)
            more["content"] = json.dumps(dict(members)).encode() if members else None
            return await self._sent(operation, operation.path.format(**values), media_type, **more)
        path = await self._filled(operation)
        above = path.rpartition("/")[0]
        if path.endswith("/restore"):
            await self._caller.delete(above)
        beside = next((one for one in OPERATIONS if (one.method, one.path) == ("PUT", operation.path)), None)
        if operation.method == "DELETE" and beside is not None:
            await self._sent(beside, path)
        return await self._sent(operation, path, media_type, **more)

    async def again(self, operation: Operation, answer: Response, **more: Any) -> Response:
        """The same request once more."""
        return await self._sent(operation, answer.request.url.path, content=answer.request.content, **more)

    async def _sent(
        self,
        operation: Operation,
        path: str,
        media_type: str = "",
        *,
        headers: Any = (),
        params: Any = None,
        content: bytes | None = None,
    ) -> Response:
        media_type = media_type or next(iter(operation.bodies), "")
        params = {**operation.told.get("x-example-query", {}), **(params or {})}
        more: dict[str, Any] = {"params": params}
        if media_type == "application/x-www-form-urlencoded":
            more["data"] = operation.bodies[media_type]["example"]
        elif media_type:
            more["content"] = content or await self._body(operation.bodies[media_type]["example"])
            headers = {**dict(headers), "Content-Type": media_type}
        return await self._caller.request(operation.method, f"{SERVER}{path}", headers=dict(headers), **more)

    async def _body(self, example: Any) -> str:
        """An example, with the ids of rows that it is about: those are made for it, as those in a path are."""
        if isinstance(example, str):
            return example
        made = {name: await self._made(name, {"user_id": self._ada}) for name in example if f"{{{name}}}" in _PATHS}
        return json.dumps({**example, **{name: id for name, id in made.items() if id}})

    async def _signed_in(self) -> AsyncClient:
        made = await self._sent(REGISTER, REGISTER.path)
        assert made.status_code == 201, made.text
        self._ada = made.json()["id"]
        await self._database.sql(_PROMOTED)
        await self._database.sql(_MAILED, {"token": example_of({"schema": SCHEMAS["Reset"]["properties"]["token"]})})
        tokens = await self._sent(SIGN_IN, SIGN_IN.path)
        assert tokens.status_code == 200, tokens.text
        return anonymous(self._app, headers={"Authorization": f"Bearer {tokens.json()['access_token']}"})

    async def _filled(self, operation: Operation) -> str:
        """The path, with ids of rows that are made for it; the account is Ada's own."""
        names, values, ada = operation.parameters("path"), {"user_id": self._ada}, self._caller
        if "user_id" in names:
            self._caller = self._admin
        for name, parameter in names.items():
            values[name] = await self._made(name, values) or example_of(parameter)
        if "/members/" in operation.path:  # Who is to be a member is invited, and accepts.
            above = operation.path.partition("/members/")[0].format(**values)
            invite = next(one for one in OPERATIONS if one.path.endswith("/invitations") and one.method == "POST")
            invited = await self._sent(invite, f"{above}/invitations")
            accepted = await ada.post(f"{SERVER}{invited.headers['Location']}/accept")
            assert accepted.status_code == 204, accepted.text
        return operation.path.format(**values)

    async def _made(self, name: str, values: dict[str, str]) -> str | None:
        """The id of a new row, made by the example of the POST above a path that ends with this parameter."""
        if name in values:
            return values[name]
        above = [path.removesuffix(f"/{{{name}}}") for path in DOCUMENT["paths"] if path.endswith(f"/{{{name}}}")]
        for create in OPERATIONS:
            if create.method != "POST" or create.path not in above:
                continue
            around = {one: await self._made(one, values) for one in create.parameters("path")}
            if None not in around.values():
                made = await self._sent(create, create.path.format(**around))
                assert made.status_code == 201, made.text
                return str(made.headers["Location"].rpartition("/")[2])
        return None


KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def misfits(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """What of a value the schema does not know, or lacks: members, types and enumerations."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [[*misfits(one, value, place)] for one in schema["anyOf"]]
        yield from min(found, key=len)
    if "type" in schema and not isinstance(value, KINDS[schema["type"]]):
        yield f"{place} is no {schema['type']}"
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{place} is none of {schema}"
    if isinstance(value, list):
        for one in value:
            yield from misfits(schema.get("items", {}), one, f"{place}/-")
    if isinstance(value, dict) and "properties" in schema:
        yield from _members_amiss(schema, value, place)


def _members_amiss(schema: dict[str, Any], value: dict[str, Any], place: str) -> Iterator[str]:
    yield from (f"{place} lacks {name}" for name in {*schema.get("required", ())} - value.keys())
    for name, one in value.items():
        if name in schema["properties"]:
            yield from misfits(schema["properties"][name], one, f"{place}/{name}")
        elif not schema.get("additionalProperties"):
            yield f"{place} has {name}"
