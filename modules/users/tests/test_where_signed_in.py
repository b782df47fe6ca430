"""Sessions as a resource: signing in opens one, its owner and administrators list them and end them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import text, update
from sqlmodel import col
from starlette.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from app.container import Application
from modules.users.guesses import ACCOUNT
from modules.users.models import User, UserSession
from modules.users.sessions import crowd
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.auth import TooManySignIns, passwords
from shared.auth.principal import RECENT
from shared.http.edge import LEAVE
from tests.callers import BASE, Caller
from tests.database import RolledBackDatabase
from tests.patience import PATIENCE

SignIn = Callable[..., Awaitable[Caller]]
LONG = RECENT + timedelta(minutes=1)
OF_A_SESSION = ["id", "created_at", "used_at", "expires_at", "address", "client", "is_current"]


async def sign_in(client: AsyncClient, email: str, password: str = PASSWORD, **others: Any) -> Response:
    return await client.post("/auth/sessions", json={"email": email, "password": password} | others)


def bearing(app: FastAPI, token: str) -> AsyncClient:
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url=BASE, headers={"Authorization": f"Bearer {token}"})


async def listed(caller: AsyncClient, path: str = "/auth/sessions") -> list[dict[str, Any]]:
    answer = await caller.get(path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def refused(answer: Response, status: int, code: str) -> bool:
    return answer.status_code == status and answer.json()["code"] == code


@pytest.fixture
async def user(database: RolledBackDatabase) -> User:
    return await UserFactory.saved(email="ann@example.com")


class TestSigningIn:
    async def test_gives_the_tokens_and_the_session_as_it_is_read_later(
        self, client: AsyncClient, app: FastAPI, user: User
    ) -> None:
        answer = await sign_in(client, user.email)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert [*made] == ["access_token", "refresh_token", "token_type", "expires_in", "scope", "session"]
        async with bearing(app, made["access_token"]) as caller:
            assert [*made["session"]] == OF_A_SESSION
            assert answer.headers["Location"] == f"/api/v1/auth/sessions/{made['session']['id']}"
            found = await caller.get(f"http://test{answer.headers['Location']}")
            assert found.content == answer.content[answer.content.index(b'"session":') + 10 : -1]
            assert await listed(caller) == [made["session"]]

    async def test_is_stored_by_nobody(self, client: AsyncClient, user: User, database: RolledBackDatabase) -> None:
        answers = [
            await client.post(
                "/auth/sessions",
                json={"email": user.email, "password": PASSWORD},
                headers={"Idempotency-Key": "k", "Prefer": "return=minimal", "If-Match": "*"},
            )
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json()["refresh_token"] != answers[1].json()["refresh_token"]
        assert all(answer.headers["Cache-Control"] == "no-store" for answer in answers)
        assert (await database.sql(text("SELECT count(*) FROM idempotency_keys"))).scalar() == 0

    async def test_has_no_dry_run(self, client: AsyncClient, user: User, database: RolledBackDatabase) -> None:
        body = {"email": user.email, "password": PASSWORD}
        assert refused(await client.post("/auth/sessions?dry_run=true", json=body), 422, "invalid_input")
        assert (await database.sql(text("SELECT count(*) FROM sessions"))).scalar() == 0

    async def test_tells_from_where_and_by_what(self, app: FastAPI, user: User) -> None:
        """What a client says of itself is cut, and shown without what does not print."""
        transport = ASGITransport(app=app, client=("2001:db8::1", 4711))
        async with AsyncClient(transport=transport, base_url=BASE) as client:
            for given, shown in [
                (b"curl/8.14", "curl/8.14"),
                (b"a\xff\xfe\x1b[31mb", "a [31mb"),
                (b"x" * 5000, "x" * 200),
                (b"", None),
                (b"\xe9\t\xe9", None),
            ]:
                client.headers.clear()
                body = {"email": user.email, "password": PASSWORD}
                answer = await client.post("/auth/sessions", json=body, headers=[(b"user-agent", given)])
                session = answer.json()["session"]
                assert (session["address"], session["client"]) == ("2001:db8::1", shown)

    async def test_in_a_crowd_is_for_those_who_are_known(
        self, client: AsyncClient, app: FastAPI, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A flood of strangers does not keep the owner out, where they signed in before."""
        assert (await sign_in(client, user.email)).status_code == 201
        monkeypatch.setattr(passwords, "CROWD", 0)
        transport = ASGITransport(app=app, client=("203.0.113.1", 4711))
        async with AsyncClient(transport=transport, base_url=BASE) as stranger:
            assert refused(await sign_in(stranger, user.email), 503, "too_many_sign_ins")
        assert refused(await sign_in(client, "nobody@example.com"), 503, "too_many_sign_ins")
        assert (await sign_in(client, user.email)).status_code == 201

    async def test_in_a_crowd_asks_the_database_about_few_strangers(
        self, client: AsyncClient, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or a flood of them takes it from others. Whom this process knows, as they were written, is let in without."""
        assert (await sign_in(client, "Ann@example.com")).status_code == 201
        monkeypatch.setattr(passwords, "CROWD", 0)
        assert (await sign_in(client, "ANN@example.com")).status_code == 201
        monkeypatch.setattr(crowd, "AT_ONCE", 0)
        for known in ("Ann@example.com", "ANN@example.com"):
            assert (await sign_in(client, known)).status_code == 201
        assert refused(await sign_in(client, "ann@EXAMPLE.com"), 503, "too_many_sign_ins")

    async def test_that_is_refused_in_a_crowd_waits_without_a_place_among_those_at_work(
        self, app: FastAPI, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who asks again at once, whatever `Retry-After` says, asks so much less, and others are served."""
        monkeypatch.setattr(passwords, "CROWD", 0)
        monkeypatch.setattr(TooManySignIns, "held_back", 2 * PATIENCE)
        left = asyncio.Event()

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {LEAVE: left.set}}, receive, send)

        async with AsyncClient(transport=ASGITransport(app=gated), base_url=BASE) as client:
            signing_in = asyncio.create_task(sign_in(client, user.email))
            await asyncio.wait_for(left.wait(), PATIENCE)
            assert not signing_in.done()
            signing_in.cancel()
            with pytest.raises(asyncio.CancelledError):
                await signing_in

    @pytest.mark.parametrize(
        "columns", [{"email": "else@example.com"}, {"is_active": False}, {"deleted_at": datetime.now(UTC)}]
    )
    async def test_tells_nobody_whether_there_is_such_an_account(
        self, client: AsyncClient, user: User, columns: dict[str, object]
    ) -> None:
        client.headers["X-Request-ID"] = "the-same"
        wrong = await sign_in(client, user.email, "not my password")
        assert refused(wrong, 401, "invalid_credentials")
        assert wrong.headers["WWW-Authenticate"]
        await UserFactory.saved(**{"email": "bob@example.com"} | columns)
        answer = await sign_in(client, "bob@example.com")
        assert (answer.status_code, answer.content, dict(answer.headers)) == (401, wrong.content, dict(wrong.headers))

    async def test_counts_guesses_together_with_the_token_endpoint(
        self, client: AsyncClient, user: User, database: RolledBackDatabase
    ) -> None:
        form = {"grant_type": "password", "username": user.email, "password": "wrong"}
        for _ in range(ACCOUNT.free - 2):
            assert (await client.post("/auth/token", data=form)).status_code == 400
        for _ in range(2):
            assert (await sign_in(client, user.email, "wrong")).status_code == 401
        # A slow machine waits out the first second.
        await database.sql(text("UPDATE sign_in_failures SET failures = failures + 6"))
        assert refused(await sign_in(client, user.email), 429, "too_many_attempts")
        assert refused(await client.post("/auth/token", data=form), 429, "too_many_attempts")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"email": "ann@example.com"},
            {"email": "ann@example.com", "password": None},
            {"email": "ann@example.com", "password": "x" * 1025},
            {"email": "a" * 255, "password": "x"},
            {"email": "ann@example.com", "password": "a\0b"},
            {"email": "ann@example.com", "password": "x", "code": "0" * 101},
            {"email": "ann@example.com", "password": "x", "surprise": 1},
        ],
    )
    async def test_says_what_is_wrong_with_the_request(self, client: AsyncClient, body: dict[str, object]) -> None:
        assert refused(await client.post("/auth/sessions", json=body), 422, "invalid_input")

    async def test_with_a_token_that_is_no_longer_good_is_a_sign_in_all_the_same(
        self, client: AsyncClient, user: User
    ) -> None:
        client.headers["Authorization"] = "Bearer x"
        assert (await sign_in(client, user.email)).status_code == 201


class TestTheList:
    async def test_has_the_own_sessions_that_live_newest_first(
        self, signed_in: SignIn, user: User, database: RolledBackDatabase
    ) -> None:
        await signed_in()
        callers = [await signed_in(user, timedelta(hours=hours)) for hours in (3, 2, 1, 0)]
        past = datetime.now(UTC) - timedelta(hours=1)
        for caller, ended in zip(callers, ({"revoked_at": past}, {"expires_at": past}), strict=False):
            async with database.orm() as session:
                await session.execute(
                    update(UserSession).where(col(UserSession.id) == caller.session_id).values(**ended)
                )
        found = await listed(callers[3])
        assert [one["id"] for one in found] == [str(callers[3].session_id), str(callers[2].session_id)]
        assert [one["is_current"] for one in found] == [True, False]

    async def test_has_pages(self, signed_in: SignIn, user: User) -> None:
        callers = [await signed_in(user, timedelta(hours=hours)) for hours in (2, 1, 0)]
        first = (await callers[2].get("/auth/sessions?limit=2")).json()
        rest = (await callers[2].get("/auth/sessions", params={"cursor": first["next_cursor"], "limit": 2})).json()
        found = [one["id"] for one in first["items"] + rest["items"]]
        assert found == [str(caller.session_id) for caller in reversed(callers)]
        assert rest["next_cursor"] is None
        stranger = await signed_in()
        answer = await stranger.get("/auth/sessions", params={"cursor": first["next_cursor"]})
        assert refused(answer, 400, "invalid_cursor")

    async def test_tells_when_a_session_was_last_used_as_its_refreshes_do(
        self, client: AsyncClient, app: FastAPI, user: User, database: RolledBackDatabase
    ) -> None:
        """No request writes for it. A session of an older release was last used when it began, for all we know."""
        made = (await sign_in(client, user.email)).json()
        async with bearing(app, made["access_token"]) as caller:
            await database.sql(text("UPDATE sessions SET used_at = NULL, created_at = created_at - interval '1 hour'"))
            (before,) = await listed(caller)
            assert before["used_at"] == before["created_at"] < made["session"]["created_at"]
            await caller.get("/users/me")
            assert await listed(caller) == [before]
            form = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
            assert (await client.post("/auth/token", data=form)).status_code == 200
            (after,) = await listed(caller)
        assert after["used_at"] > made["session"]["used_at"] > before["used_at"]

    async def test_is_for_who_has_a_session(self, client: AsyncClient) -> None:
        for path in ("/auth/sessions", f"/auth/sessions/{uuid7()}"):
            assert refused(await client.get(path), 401, "unauthenticated")

    async def test_shows_no_session_of_others_by_its_id_either(self, signed_in: SignIn, user: User) -> None:
        ann, bob = await signed_in(user), await signed_in(role="admin")
        for id in (ann.session_id, uuid7()):
            assert refused(await bob.get(f"/auth/sessions/{id}"), 404, "session_not_found")


class TestEnding:
    async def test_one_elsewhere_ends_it_with_its_tokens(
        self, signed_in: SignIn, client: AsyncClient, app: FastAPI, user: User
    ) -> None:
        ann, made = await signed_in(user), (await sign_in(client, user.email)).json()
        path = f"/auth/sessions/{made['session']['id']}"
        assert (await ann.delete(path)).status_code == 204
        async with bearing(app, made["access_token"]) as ended:
            assert refused(await ended.get("/users/me"), 401, "invalid_token")
        form = {"grant_type": "refresh_token", "refresh_token": made["refresh_token"]}
        assert refused(await client.post("/auth/token", data=form), 400, "invalid_grant")
        assert [one["id"] for one in await listed(ann)] == [str(ann.session_id)]
        assert refused(await ann.delete(path), 404, "session_not_found")

    async def test_one_of_somebody_else_is_like_one_that_never_was(self, signed_in: SignIn, user: User) -> None:
        ann, bob = await signed_in(user), await signed_in()
        bob.headers["X-Request-ID"] = "the-same"
        absent = uuid7()
        foreign, none = [await bob.delete(f"/auth/sessions/{id}") for id in (ann.session_id, absent)]
        assert foreign.status_code == 404
        assert foreign.text.replace(str(ann.session_id), str(absent)) == none.text
        assert (await ann.get("/users/me")).status_code == 200

    @pytest.mark.parametrize(("query", "remain"), [("?except=current", [0]), ("", [])])
    async def test_all_of_them_at_once(self, signed_in: SignIn, user: User, query: str, remain: list[int]) -> None:
        callers, bob = [await signed_in(user) for _ in range(3)], await signed_in()
        assert (await callers[0].delete(f"/auth/sessions{query}")).status_code == 204
        statuses = [(await caller.get("/users/me")).status_code for caller in callers]
        assert statuses == [200 if n in remain else 401 for n in range(3)]
        assert (await bob.get("/users/me")).status_code == 200

    @pytest.mark.parametrize("query", ["?except=", "?except=other", "?except=017f22e2-79b0-7cc3-98c4-dc0c0c07398f"])
    async def test_all_but_what_is_not_known_ends_none(self, signed_in: SignIn, query: str) -> None:
        ann = await signed_in()
        assert refused(await ann.delete(f"/auth/sessions{query}"), 422, "invalid_input")
        assert (await ann.get("/users/me")).status_code == 200

    async def test_the_own_one_is_a_sign_out(self, signed_in: SignIn, user: User) -> None:
        old, other = await signed_in(user, LONG), await signed_in(user)
        assert (await old.delete("/auth/sessions/current")).status_code == 204
        assert refused(await old.delete("/auth/sessions/current"), 401, "invalid_token")
        assert (await other.get("/users/me")).status_code == 200

    @pytest.mark.parametrize("path", ["", "?except=current", "/{id}"])
    async def test_others_asks_for_a_sign_in_of_the_last_minutes(
        self, signed_in: SignIn, user: User, path: str
    ) -> None:
        """ASVS 7.5.2: who stole a token is not to sign the owner out."""
        thief, owner = await signed_in(user, LONG), await signed_in(user)
        answer = await thief.delete(f"/auth/sessions{path}".format(id=owner.session_id))
        assert refused(answer, 403, "step_up_required")
        assert (await owner.get("/users/me")).status_code == 200


class TestAnAdministrator:
    async def test_sees_and_ends_the_sessions_of_any_account(
        self, signed_in: SignIn, user: User, database: RolledBackDatabase
    ) -> None:
        admin, callers = await signed_in(ago=LONG, role="admin"), [await signed_in(user) for _ in range(3)]
        found = await listed(admin, f"/users/{user.id}/sessions")
        assert {UUID(one["id"]) for one in found} == {caller.session_id for caller in callers}
        assert not any(one["is_current"] for one in found)
        assert (await admin.delete(f"/users/{user.id}/sessions/{callers[0].session_id}")).status_code == 204
        assert [(await caller.get("/users/me")).status_code for caller in callers] == [401, 200, 200]
        assert (await admin.delete(f"/users/{user.id}/sessions")).status_code == 204
        assert [(await caller.get("/users/me")).status_code for caller in callers] == [401] * 3
        assert await listed(admin, f"/users/{user.id}/sessions") == []
        assert (await admin.get("/users/me")).status_code == 200

    @pytest.mark.parametrize("path", ["", "/{id}"])
    async def test_ends_their_own_by_the_rule_of_everybody(self, signed_in: SignIn, user: User, path: str) -> None:
        """Or who stole a token of theirs would sign them out."""
        administrator = await UserFactory.saved(role="admin")
        owner, thief = await signed_in(administrator), await signed_in(administrator, LONG)
        answer = await thief.delete(f"/users/{owner.id}/sessions{path}".format(id=owner.session_id))
        assert refused(answer, 403, "step_up_required")
        assert (await owner.get("/users/me")).status_code == 200

    async def test_is_told_what_is_not_there(self, signed_in: SignIn, user: User) -> None:
        admin, ann = await signed_in(role="admin"), await signed_in(user)
        for method, path, code in [
            ("GET", f"/users/{uuid7()}/sessions", "user_not_found"),
            ("DELETE", f"/users/{uuid7()}/sessions", "user_not_found"),
            ("DELETE", f"/users/{uuid7()}/sessions/{ann.session_id}", "user_not_found"),
            ("DELETE", f"/users/{admin.id}/sessions/{ann.session_id}", "session_not_found"),
        ]:
            assert refused(await admin.request(method, path), 404, code)
        assert (await ann.get("/users/me")).status_code == 200

    @pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("DELETE", "/{session}")])
    async def test_is_who_is_one_now(self, signed_in: SignIn, user: User, method: str, path: str) -> None:
        ann = await signed_in(user)
        answer = await ann.request(method, f"/users/{ann.id}/sessions{path}".format(session=ann.session_id))
        assert refused(answer, 403, "administrators_only")
        assert (await ann.get("/users/me")).status_code == 200


class TestTheOldWay:
    FORM = {"grant_type": "password", "username": "ann@example.com", "password": PASSWORD}  # noqa: RUF012

    async def test_tells_that_it_is_deprecated(self, client: AsyncClient, user: User) -> None:
        """RFC 9745. To prolong a session is not."""
        answer = await client.post("/auth/token", data=self.FORM)
        assert answer.status_code == 200
        assert answer.headers["Deprecation"].startswith("@")
        assert 'rel="deprecation"' in answer.headers["Link"]
        form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
        assert "Deprecation" not in (await client.post("/auth/token", data=form)).headers

    async def test_is_closed_where_it_is_not_allowed(
        self, client: AsyncClient, user: User, application: Application, database: RolledBackDatabase
    ) -> None:
        """RFC 9700 §2.4. The password is not looked at."""
        closed = application.kernel.settings().model_copy(update={"password_grant": False})
        with application.kernel.settings.override(closed):
            for form in (self.FORM, {"grant_type": "password"}, self.FORM | {"password": "wrong"}):
                answer = await client.post("/auth/token", data=form)
                assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
            assert (await sign_in(client, user.email)).status_code == 201
        assert (await database.sql(text("SELECT count(*) FROM sign_in_failures"))).scalar() == 0

    @pytest.mark.parametrize(("environment", "is_open"), [("production", False), ("development", True)])
    def test_is_open_in_development(self, application: Application, environment: str, is_open: bool) -> None:
        settings = type(application.kernel.settings())
        assert settings(DATABASE_URL="postgresql://x/y", environment=environment).password_grant is is_open
