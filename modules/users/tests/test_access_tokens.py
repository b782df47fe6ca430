"""What API clients may rely on of access tokens: who is let in, and how the others are told (RFC 6750 §3)."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import update
from sqlmodel import col

from app.container import Application
from modules.users.models import User, UserSession
from modules.users.tests.factories import UserFactory
from shared.settings import Settings
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]
ID = "0198a5b0-0000-7000-8000-000000000000"

FOR_ACCOUNTS = [
    ("GET", "/users/me"),
    ("PATCH", "/users/me"),
    ("DELETE", "/users/me"),
    ("PUT", "/users/me/password"),
    ("GET", "/users"),
    ("GET", f"/users/{ID}"),
    ("PATCH", f"/users/{ID}"),
    ("DELETE", f"/users/{ID}"),
    ("POST", f"/users/{ID}/restore"),
]


async def call(client: AsyncClient, token: str, method: str = "GET", path: str = "/users/me") -> Response:
    return await client.request(method, path, headers={"Authorization": f"Bearer {token}"})


def signed(claims: dict[str, object], settings: Settings) -> str:
    return jwt.encode(claims, settings.key("access tokens"), "HS256", {"typ": "at+jwt"})


def assert_invalid(answer: Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trellis", error="invalid_token"'
    assert answer.json()["code"] == "invalid_token"


class TestNoToken:
    @pytest.mark.parametrize(("method", "path"), FOR_ACCOUNTS)
    async def test_is_told_how_to_authenticate(self, client: AsyncClient, method: str, path: str) -> None:
        """Without an error code: it has made no mistake yet (RFC 6750 §3.1)."""
        answer = await client.request(method, path)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trellis"'
        assert answer.json()["code"] == "unauthenticated"

    @pytest.mark.parametrize("header", ["", "Basic YW5uOnNlY3JldA==", "Token abc", "nonsense"])
    async def test_other_schemes_are_no_token(self, client: AsyncClient, header: str) -> None:
        answer = await client.get("/users/me", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trellis"'

    async def test_a_token_in_the_query_is_no_token(self, client: AsyncClient, signed_in: SignIn) -> None:
        """Addresses end up in logs."""
        ann = await signed_in()
        assert (await client.get("/users/me", params={"access_token": ann.token})).status_code == 401


class TestBadToken:
    @pytest.mark.parametrize(("method", "path"), FOR_ACCOUNTS)
    async def test_opens_nothing(self, client: AsyncClient, method: str, path: str) -> None:
        assert_invalid(await call(client, "garbage", method, path))

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "garbage", "x" * 5000, "ä", "eyJhbGciOiJub25lIn0.e30."])
    async def test_garbage(self, client: AsyncClient, token: str) -> None:
        header = b"Bearer " + token.encode("latin-1")
        assert_invalid(await client.get("/users/me", headers=[(b"Authorization", header)]))

    async def test_a_changed_one(self, client: AsyncClient, signed_in: SignIn) -> None:
        ann = await signed_in()
        header, payload, signature = ann.token.split(".")
        flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
        assert_invalid(await call(client, f"{header}.{payload}.{flipped}"))
        assert_invalid(await call(client, f"{header}.{payload}."))

    async def test_one_signed_with_another_key(self, client: AsyncClient, signed_in: SignIn) -> None:
        ann = await signed_in()
        claims = jwt.decode(ann.token, options={"verify_signature": False})
        forged = jwt.encode(claims, b"some other key of 32 bytes or more", "HS256", {"typ": "at+jwt"})
        assert_invalid(await call(client, forged))

    async def test_one_without_a_signature(self, client: AsyncClient, signed_in: SignIn) -> None:
        """RFC 8725 §3.1: the algorithm is ours to choose."""
        ann = await signed_in()
        claims = jwt.decode(ann.token, options={"verify_signature": False})
        assert_invalid(await call(client, jwt.encode(claims, "", "none")))

    async def test_an_expired_one(self, client: AsyncClient, signed_in: SignIn, settings: Settings) -> None:
        ann = await signed_in()
        claims = jwt.decode(ann.token, options={"verify_signature": False})
        claims |= {"iat": int(time.time()) - 901, "exp": int(time.time()) - 1}
        assert_invalid(await call(client, signed(claims, settings)))

    @pytest.mark.parametrize("claim", ["sid", "sub", "exp", "iss", "aud"])
    async def test_one_that_lacks_a_claim(
        self, client: AsyncClient, signed_in: SignIn, settings: Settings, claim: str
    ) -> None:
        ann = await signed_in()
        claims = jwt.decode(ann.token, options={"verify_signature": False})
        assert (await call(client, signed(claims, settings))).status_code == 200
        del claims[claim]
        assert_invalid(await call(client, signed(claims, settings)))


class TestSession:
    async def test_the_scheme_may_be_written_in_any_case(self, client: AsyncClient, signed_in: SignIn) -> None:
        """RFC 9110 §11.1."""
        ann = await signed_in()
        answer = await client.get("/users/me", headers={"Authorization": f"bearer {ann.token}"})
        assert answer.status_code == 200

    async def test_one_that_was_revoked_fails_on_its_next_request(
        self, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        ann = await signed_in()
        assert (await ann.get("/users/me")).status_code == 200
        async with database.orm() as session:
            (await session.get_one(UserSession, ann.session_id)).revoked_at = datetime.now(UTC)
        assert_invalid(await ann.get("/users/me"))

    async def test_one_that_was_not_refreshed_in_time_is_over(
        self, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        ann = await signed_in()
        async with database.orm() as orm:
            session = await orm.get_one(UserSession, ann.session_id)
            session.expires_at = datetime.now(UTC) - timedelta(hours=1)
        assert_invalid(await ann.get("/users/me"))

    @pytest.mark.parametrize("columns", [{"is_active": False}, {"deleted_at": datetime.now(UTC)}])
    async def test_of_an_account_that_may_not_sign_in_is_over(
        self, signed_in: SignIn, database: RolledBackDatabase, columns: dict[str, object]
    ) -> None:
        ann = await signed_in()
        async with database.orm() as session:
            await session.execute(update(User).where(col(User.id) == ann.id).values(**columns))
        assert_invalid(await ann.get("/users/me"))

    async def test_that_never_was_opens_nothing(self, client: AsyncClient, application: Application) -> None:
        user = await UserFactory.saved()
        assert_invalid(await call(client, application.kernel.access_tokens().issue(user.id, uuid4())))

    async def test_of_another_account_opens_nothing(
        self, client: AsyncClient, signed_in: SignIn, application: Application
    ) -> None:
        ann, bob = await signed_in(), await signed_in()
        mixed = application.kernel.access_tokens().issue(ann.id, bob.session_id)
        assert_invalid(await call(client, mixed))

    async def test_a_new_role_holds_from_the_next_request_on(
        self, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        """The role is not in the token."""

        async def give(role: str, id: UUID) -> None:
            async with database.orm() as session:
                await session.execute(update(User).where(col(User.id) == id).values(role=role))

        ann = await signed_in()
        assert (await ann.get("/users")).status_code == 403
        await give("admin", ann.id)
        assert (await ann.get("/users")).status_code == 200
        await give("user", ann.id)
        assert (await ann.get("/users")).status_code == 403
