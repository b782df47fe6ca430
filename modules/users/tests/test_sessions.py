"""What API clients may rely on of a session: prolonging it (RFC 6749 §6, RFC 9700 §4.14) and ending it (RFC 7009)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import delete, func, select, text, update
from sqlmodel import col

from app.container import Application
from modules.users.models import REUSE_LEEWAY, RefreshToken, User, UserSession
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]
Tokens = dict[str, Any]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def user() -> User:
    return await UserFactory.saved()


@pytest.fixture
async def tokens(client: AsyncClient, database: RolledBackDatabase, user: User) -> Tokens:
    """What the user got by signing in."""
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    tokens: Tokens = (await client.post("/auth/token", data=form)).json()
    return tokens


async def refresh(client: AsyncClient, token: str) -> Response:
    return await client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


async def revoke(client: AsyncClient, token: str, **others: str) -> Response:
    return await client.post("/auth/revoke", data={"token": token} | others)


async def profile(client: AsyncClient, tokens: Tokens) -> Response:
    return await client.get("/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})


def session_of(tokens: Tokens) -> UUID:
    return UUID(jwt.decode(tokens["access_token"], options={"verify_signature": False})["sid"])


async def session_row(database: RolledBackDatabase, tokens: Tokens) -> UserSession:
    async with database.orm() as session:
        return await session.get_one(UserSession, session_of(tokens))


async def set_session(database: RolledBackDatabase, tokens: Tokens, **columns: object) -> None:
    async with database.orm() as session:
        ended = update(UserSession).where(col(UserSession.id) == session_of(tokens))
        await session.execute(ended.values(**columns))


async def age_used_tokens(database: RolledBackDatabase, by: timedelta) -> None:
    """Have what was used be used that much earlier."""
    async with database.orm() as session:
        used = update(RefreshToken).where(col(RefreshToken.used_at).is_not(None))
        await session.execute(used.values(used_at=col(RefreshToken.used_at) - by))


def refused(answer: Response) -> bool:
    return answer.status_code == 400 and answer.json()["error"] == "invalid_grant"


class TestRefresh:
    async def test_answers_as_a_sign_in_does(self, client: AsyncClient, tokens: Tokens) -> None:
        answer = await refresh(client, tokens["refresh_token"])
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert set(answer.json()) == set(tokens)

    async def test_gives_a_new_refresh_token_that_works_in_its_turn(self, client: AsyncClient, tokens: Tokens) -> None:
        seen = {tokens["refresh_token"]}
        for _ in range(3):
            tokens = (await refresh(client, tokens["refresh_token"])).json()
            assert tokens["refresh_token"] not in seen
            seen.add(tokens["refresh_token"])

    async def test_keeps_the_session(self, client: AsyncClient, tokens: Tokens) -> None:
        renewed = (await refresh(client, tokens["refresh_token"])).json()
        assert session_of(renewed) == session_of(tokens)
        assert (await profile(client, renewed)).status_code == 200

    async def test_prolongs_the_session(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        soon = datetime.now(UTC) + timedelta(minutes=1)
        await set_session(database, tokens, expires_at=soon)
        await refresh(client, tokens["refresh_token"])
        assert (await session_row(database, tokens)).expires_at > soon + timedelta(days=1)

    async def test_needs_no_access_token(self, client: AsyncClient, tokens: Tokens) -> None:
        """One comes here because it has expired: a bad one must not stand in the way."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answer = await client.post("/auth/token", data=form, headers={"Authorization": "Bearer expired"})
        assert answer.status_code == 200

    @pytest.mark.parametrize("body", ["unknown", "%ff", "%ed%a0%80", "%", "x" * 1000])
    async def test_one_that_was_never_given_is_refused(self, client: AsyncClient, body: str) -> None:
        content = f"grant_type=refresh_token&refresh_token={body}".encode()
        assert refused(await client.post("/auth/token", content=content, headers=FORM))

    async def test_an_access_token_refreshes_nothing(self, client: AsyncClient, tokens: Tokens) -> None:
        assert refused(await refresh(client, tokens["access_token"]))

    async def test_an_expired_session_cannot_be_prolonged(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        await set_session(database, tokens, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        assert refused(await refresh(client, tokens["refresh_token"]))

    @pytest.mark.parametrize("columns", [{"is_active": False}, {"deleted_at": datetime.now(UTC)}])
    async def test_an_account_that_may_not_sign_in_may_not_go_on(
        self,
        client: AsyncClient,
        tokens: Tokens,
        user: User,
        database: RolledBackDatabase,
        columns: dict[str, object],
    ) -> None:
        """Whatever became of its sessions."""
        async with database.orm() as session:
            await session.execute(update(User).where(col(User.id) == user.id).values(**columns))
        assert refused(await refresh(client, tokens["refresh_token"]))
        assert (await profile(client, tokens)).status_code == 401


class TestTheLineage:
    async def live(self, database: RolledBackDatabase) -> int:
        """How many refresh tokens were not used yet."""
        statement = select(func.count()).select_from(RefreshToken).where(col(RefreshToken.used_at).is_(None))
        return (await database.sql(statement)).scalar() or 0

    async def test_does_not_fork_however_often_a_token_is_used(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        answers = [await refresh(client, tokens["refresh_token"]) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert await self.live(database) == 1

    async def test_goes_on_behind_a_token_that_is_used_again(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        """A → B → C, and A again: that is B again, and after it C."""
        second = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
        third = (await refresh(client, second)).json()["refresh_token"]
        assert (await refresh(client, tokens["refresh_token"])).json()["refresh_token"] == second
        assert (await refresh(client, second)).json()["refresh_token"] == third
        assert await self.live(database) == 1

    async def test_of_a_token_that_an_older_release_refreshed_goes_on(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        """Its successor was no derived one; who lost that answer gets one that works."""
        await refresh(client, tokens["refresh_token"])
        async with database.orm() as session:
            await session.execute(delete(RefreshToken).where(col(RefreshToken.used_at).is_(None)))
        again = (await refresh(client, tokens["refresh_token"])).json()
        assert (await refresh(client, again["refresh_token"])).status_code == 200

    async def test_of_another_session_is_another(self, client: AsyncClient, user: User, tokens: Tokens) -> None:
        form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
        other = (await client.post("/auth/token", data=form)).json()
        answers = [await refresh(client, one["refresh_token"]) for one in (tokens, other)]
        assert answers[0].json()["refresh_token"] != answers[1].json()["refresh_token"]

    async def test_is_kept_in_digests_alone(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        successor = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
        rows = list((await database.sql(text("SELECT t::text FROM refresh_tokens AS t"))).scalars())
        assert len(rows) == 2
        for token in (tokens["refresh_token"], successor):
            assert not any(token in row or token.encode().hex() in row for row in rows)


class TestTheEnd:
    """Of a session, however often it is refreshed."""

    LONGEST = timedelta(days=90)

    async def test_is_not_put_off_by_a_refresh(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        now = datetime.now(UTC)
        await set_session(database, tokens, created_at=now - self.LONGEST + timedelta(hours=1))
        assert (await refresh(client, tokens["refresh_token"])).status_code == 200
        assert (await session_row(database, tokens)).expires_at == now + timedelta(hours=1)

    async def test_is_one_for_a_session_of_an_older_release_too(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        await set_session(database, tokens, created_at=datetime.now(UTC) - self.LONGEST)
        assert refused(await refresh(client, tokens["refresh_token"]))

    async def test_may_come_before_it_would_have_been_idle_for_long(
        self, client: AsyncClient, user: User, application: Application, database: RolledBackDatabase
    ) -> None:
        short = application.kernel.settings().model_copy(update={"session_seconds": 60})
        form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
        with application.kernel.settings.override(short):
            tokens = (await client.post("/auth/token", data=form)).json()
        assert (await session_row(database, tokens)).expires_at <= datetime.now(UTC) + timedelta(seconds=60)


class TestReuse:
    async def test_of_a_token_whose_answer_was_lost_is_no_theft(self, client: AsyncClient, tokens: Tokens) -> None:
        lost = (await refresh(client, tokens["refresh_token"])).json()
        again = await refresh(client, tokens["refresh_token"])
        assert again.status_code == 200
        assert again.json()["refresh_token"] == lost["refresh_token"]
        assert (await profile(client, again.json())).status_code == 200

    async def test_the_leeway_counts_from_the_first_use(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        """Using it over and over does not keep it good."""
        await refresh(client, tokens["refresh_token"])
        await age_used_tokens(database, timedelta(seconds=1))
        assert (await refresh(client, tokens["refresh_token"])).status_code == 200
        await age_used_tokens(database, REUSE_LEEWAY - timedelta(seconds=0.5))
        assert refused(await refresh(client, tokens["refresh_token"]))

    async def test_after_the_leeway_ends_the_session_for_both(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        """RFC 9700 §4.14.2: who of the two is the thief cannot be told."""
        renewed = (await refresh(client, tokens["refresh_token"])).json()
        await age_used_tokens(database, REUSE_LEEWAY + timedelta(seconds=1))
        answer = await refresh(client, tokens["refresh_token"])
        assert refused(answer)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert refused(await refresh(client, renewed["refresh_token"]))
        assert (await profile(client, tokens)).status_code == 401
        assert (await profile(client, renewed)).status_code == 401

    async def test_the_end_of_the_session_is_kept_though_the_request_failed(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        await refresh(client, tokens["refresh_token"])
        await age_used_tokens(database, REUSE_LEEWAY * 2)
        assert (await session_row(database, tokens)).revoked_at is None
        await refresh(client, tokens["refresh_token"])
        assert (await session_row(database, tokens)).revoked_at is not None

    async def test_leaves_the_other_sessions_of_the_account_alone(
        self, client: AsyncClient, tokens: Tokens, user: User, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        elsewhere = await signed_in(user)
        await refresh(client, tokens["refresh_token"])
        await age_used_tokens(database, REUSE_LEEWAY * 2)
        await refresh(client, tokens["refresh_token"])
        assert (await elsewhere.get("/users/me")).status_code == 200


class TestRevoke:
    async def test_ends_the_session(self, client: AsyncClient, tokens: Tokens) -> None:
        assert (await profile(client, tokens)).status_code == 200
        assert (await revoke(client, tokens["refresh_token"])).status_code == 200
        assert (await profile(client, tokens)).status_code == 401
        assert refused(await refresh(client, tokens["refresh_token"]))

    async def test_a_token_that_was_used_ends_it_too(self, client: AsyncClient, tokens: Tokens) -> None:
        renewed = (await refresh(client, tokens["refresh_token"])).json()
        await revoke(client, tokens["refresh_token"])
        assert refused(await refresh(client, renewed["refresh_token"]))

    async def test_leaves_other_sessions_alone(self, client: AsyncClient, tokens: Tokens, signed_in: SignIn) -> None:
        ann = await signed_in()
        await revoke(client, tokens["refresh_token"])
        assert (await ann.get("/users/me")).status_code == 200

    async def test_twice_is_as_good_as_once(
        self, client: AsyncClient, tokens: Tokens, database: RolledBackDatabase
    ) -> None:
        await revoke(client, tokens["refresh_token"])
        first = await session_row(database, tokens)
        assert (await revoke(client, tokens["refresh_token"])).status_code == 200
        assert (await session_row(database, tokens)).revoked_at == first.revoked_at

    @pytest.mark.parametrize("body", ["token=unknown", "token=%ff", "token=%ed%a0%80", "token=%"])
    async def test_an_unknown_token_needs_no_ending(self, client: AsyncClient, body: str) -> None:
        """RFC 7009 §2.2."""
        assert (await client.post("/auth/revoke", content=body.encode(), headers=FORM)).status_code == 200

    async def test_no_odd_encoding_of_the_form_is_a_failure_of_ours(self, client: AsyncClient) -> None:
        """UTF-7 can write half a character."""
        body = b'--edge\r\nContent-Disposition: form-data; name="token"\r\n\r\n+2AA-\r\n--edge--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=edge; charset=utf-7"}
        assert (await client.post("/auth/revoke", content=body, headers=headers)).status_code < 500

    async def test_a_hint_at_the_kind_of_token_is_taken(self, client: AsyncClient, tokens: Tokens) -> None:
        """RFC 7009 §2.1. A wrong hint must not stand in the way."""
        assert (await revoke(client, tokens["refresh_token"], token_type_hint="access_token")).status_code == 200
        assert (await profile(client, tokens)).status_code == 401

    @pytest.mark.parametrize("body", [b"", b"token=", b"token_type_hint=refresh_token"])
    async def test_no_token_at_all_is_told_in_the_words_of_oauth(self, client: AsyncClient, body: bytes) -> None:
        """RFC 7009 §2.2.1 refers to RFC 6749 §5.2."""
        answer = await client.post("/auth/revoke", content=body, headers=FORM)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json().get("error")) == (400, "invalid_request")
