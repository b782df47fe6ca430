"""What API clients may rely on when they sign in: POST /auth/token with `grant_type=password` (RFC 6749 §4.3)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from contextvars import Context
from datetime import UTC, datetime

import pytest
from httpx2 import AsyncClient, Response

from app.container import Application
from modules.users.tests.factories import PASSWORD, UserFactory
from modules.users.tests.overtaking import Overtaken
from shared.auth.passwords import Passwords, TooManySignIns
from shared.values import normalised_email
from tests.callers import Caller
from tests.database import RolledBackDatabase
from tests.unicode import short_normalize

SignIn = Callable[..., Awaitable[Caller]]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def sign_in(client: AsyncClient, email: str, password: str = PASSWORD, **others: str) -> Response:
    form = {"grant_type": "password", "username": email, "password": password}
    return await client.post("/auth/token", data=form | others)


async def profile(client: AsyncClient, access_token: str) -> Response:
    return await client.get("/users/me", headers={"Authorization": f"Bearer {access_token}"})


class TestSignIn:
    async def test_gives_what_rfc_6749_names_and_nothing_else(self, client: AsyncClient) -> None:
        await UserFactory.saved(email="ann@example.com")
        answer = await sign_in(client, "ann@example.com")
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
        assert tokens["token_type"].lower() == "bearer"
        assert tokens["expires_in"] == 900
        assert tokens["scope"] == "read write"

    async def test_no_cache_keeps_the_tokens(self, client: AsyncClient) -> None:
        """RFC 6749 §5.1."""
        user = await UserFactory.saved()
        assert (await sign_in(client, user.email)).headers["Cache-Control"] == "no-store"

    async def test_the_access_token_opens_the_account(self, client: AsyncClient) -> None:
        user = await UserFactory.saved()
        tokens = (await sign_in(client, user.email)).json()
        assert (await profile(client, tokens["access_token"])).json()["id"] == str(user.id)

    async def test_the_refresh_token_is_no_access_token(self, client: AsyncClient) -> None:
        user = await UserFactory.saved()
        tokens = (await sign_in(client, user.email)).json()
        assert (await profile(client, tokens["refresh_token"])).status_code == 401

    async def test_the_case_of_the_address_does_not_matter(self, client: AsyncClient) -> None:
        await UserFactory.saved(email="Ann@example.com")
        assert (await sign_in(client, "aNN@EXAMPLE.com")).status_code == 200

    async def test_the_case_of_the_password_does(self, client: AsyncClient) -> None:
        user = await UserFactory.saved()
        assert (await sign_in(client, user.email, PASSWORD.upper())).status_code == 400

    async def test_unknown_parameters_are_ignored(self, client: AsyncClient) -> None:
        """RFC 6749 §3.2."""
        user = await UserFactory.saved()
        assert (await sign_in(client, user.email, scope="read", client_id="cli", surprise="1")).status_code == 200

    async def test_each_opens_a_session_of_its_own(self, client: AsyncClient) -> None:
        user = await UserFactory.saved()
        one, other = [(await sign_in(client, user.email)).json() for _ in range(2)]
        await client.post("/auth/revoke", data={"token": one["refresh_token"]})
        assert (await profile(client, one["access_token"])).status_code == 401
        assert (await profile(client, other["access_token"])).status_code == 200

    async def test_an_address_that_was_taken_over_opens_the_living_account(self, client: AsyncClient) -> None:
        await UserFactory.saved(email="ann@example.com", deleted_at=datetime.now(UTC))
        living = await UserFactory.saved(email="ann@example.com")
        tokens = (await sign_in(client, "ann@example.com")).json()
        assert (await profile(client, tokens["access_token"])).json()["id"] == str(living.id)


class TestInvalidGrant:
    async def test_a_wrong_password_is_a_problem_in_the_words_of_oauth(self, client: AsyncClient) -> None:
        """RFC 6749 §5.2."""
        user = await UserFactory.saved()
        answer = await sign_in(client, user.email, "not my password")
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.json()["error"], answer.json()["code"]) == ("invalid_grant", "invalid_grant")
        assert "access_token" not in answer.json()
        assert "not my password" not in answer.text
        assert user.email not in answer.text

    @pytest.mark.parametrize(
        "columns", [{"email": "else@example.com"}, {"is_active": False}, {"deleted_at": datetime.now(UTC)}]
    )
    async def test_no_answer_tells_whether_there_is_such_an_account(
        self, client: AsyncClient, columns: dict[str, object]
    ) -> None:
        """Unknown, deactivated or deleted: byte for byte the answer to a wrong password."""
        client.headers["X-Request-ID"] = "the-same"
        await UserFactory.saved(email="ann@example.com")
        wrong = await sign_in(client, "ann@example.com", "not my password")
        await UserFactory.saved(**{"email": "bob@example.com"} | columns)
        answer = await sign_in(client, "bob@example.com")
        assert (answer.status_code, answer.content) == (wrong.status_code, wrong.content)
        headers, expected = dict(answer.headers), dict(wrong.headers)
        assert headers == expected

    @pytest.mark.parametrize("text", ["%ff", "ann%ff@example.com", "%ed%a0%80", "%", "%zz", "%F0%9F%92%A1"])
    @pytest.mark.parametrize("field", ["username", "password"])
    async def test_bytes_that_are_no_text_are_just_wrong(self, client: AsyncClient, field: str, text: str) -> None:
        await UserFactory.saved(email="ann@example.com")
        form = {"username": "ann%40example.com", "password": "x"} | {field: text}
        body = f"grant_type=password&username={form['username']}&password={form['password']}"
        answer = await client.post("/auth/token", content=body.encode(), headers=FORM)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


class TestInvalidRequest:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"username=ann&password=secret", id="no grant type"),
            pytest.param(b"grant_type=&username=ann&password=secret", id="grant type without a value"),
            pytest.param(b"grant_type=password", id="no credentials"),
            pytest.param(b"grant_type=password&username=ann", id="no password"),
            pytest.param(b"grant_type=password&username=ann&password=", id="password without a value"),
            pytest.param(b"grant_type=password&password=secret", id="no user name"),
            pytest.param(b"grant_type=refresh_token", id="no refresh token"),
            pytest.param(b"grant_type=refresh_token&refresh_token=", id="refresh token without a value"),
            pytest.param(b"grant_type=password&grant_type=password&username=ann&password=secret", id="repeated"),
        ],
    )
    async def test_a_form_that_lacks_something_is_told_so(self, client: AsyncClient, body: bytes) -> None:
        """RFC 6749 §5.2: a missing or repeated parameter; §3.2: one without a value counts as missing."""
        answer = await client.post("/auth/token", content=body, headers=FORM)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["error"] == "invalid_request"

    @pytest.mark.parametrize(
        ("field", "longest"), [("grant_type", 50), ("username", 254), ("password", 1024), ("refresh_token", 1000)]
    )
    async def test_a_parameter_longer_than_any_can_be_is_refused(
        self, client: AsyncClient, field: str, longest: int
    ) -> None:
        form = {"grant_type": "password", "username": "ann@example.com", "password": "x"}
        longer = await client.post("/auth/token", data=form | {field: "x" * (longest + 1)})
        assert (longer.status_code, longer.json()["error"]) == (400, "invalid_request")
        as_long = await client.post("/auth/token", data=form | {field: "x" * longest})
        assert as_long.json()["error"] in {"invalid_grant", "unsupported_grant_type"}

    async def test_a_long_run_of_marks_is_never_normalised(
        self, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That takes time in the square of its length: minutes, with the event loop standing still."""
        monkeypatch.setattr("unicodedata.normalize", short_normalize)
        answer = await sign_in(client, "a" + "\u0301" * 150_000 + "@example.com")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert normalised_email("a" + "\u0301" * 150_000 + "@example.com") is None

    @pytest.mark.parametrize("field", ["grant_type", "username", "password", "refresh_token"])
    async def test_a_nul_character_is_no_part_of_anything(self, client: AsyncClient, field: str) -> None:
        form = {"grant_type": "password", "username": "ann@example.com", "password": "x"} | {field: "a\0b"}
        answer = await client.post("/auth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    async def test_a_form_in_json_lacks_everything(self, client: AsyncClient) -> None:
        form = {"grant_type": "password", "username": "ann", "password": "secret"}
        answer = await client.post("/auth/token", json=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize(
        ("charset", "value"),
        [("utf-7", b"+2AA-"), ("unicode_escape", rb"\ud800"), ("undefined", b"x"), ("idna", b"xn--\xff"), ("?", b"x")],
    )
    @pytest.mark.parametrize("field", ["grant_type", "username", "password", "refresh_token"])
    async def test_no_odd_encoding_of_the_form_is_a_failure_of_ours(
        self, client: AsyncClient, field: str, charset: str, value: bytes
    ) -> None:
        grant_type = b"refresh_token" if field == "refresh_token" else b"password"
        fields = {"grant_type": grant_type, "username": b"ann", "password": b"x", "refresh_token": b"x", field: value}
        parts = [
            b'--edge\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), content)
            for name, content in fields.items()
        ]
        headers = {"Content-Type": f"multipart/form-data; boundary=edge; charset={charset}"}
        answer = await client.post("/auth/token", content=b"".join(parts) + b"--edge--\r\n", headers=headers)
        assert answer.status_code < 500

    async def test_a_file_is_no_parameter(self, client: AsyncClient) -> None:
        form = {"grant_type": "password", "username": "ann"}
        answer = await client.post("/auth/token", data=form, files={"password": b"secret"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


class TestUnsupportedGrantType:
    @pytest.mark.parametrize("grant_type", ["client_credentials", "authorization_code", "PASSWORD", "💡"])
    async def test_other_grants_are_told_apart(self, client: AsyncClient, grant_type: str) -> None:
        answer = await sign_in(client, "ann@example.com", grant_type=grant_type)
        assert answer.status_code == 400
        assert answer.json()["error"] == "unsupported_grant_type"


class TestMeanwhile:
    async def test_a_password_that_is_changed_while_it_is_checked_opens_nothing(
        self, client: AsyncClient, signed_in: SignIn, application: Application
    ) -> None:
        """Checking takes a while; a change of password is to end every other session, the one just opening too."""
        ann = await signed_in(email="ann@example.com")

        async def change_password() -> None:
            body = {"current_password": PASSWORD, "new_password": "a new long password"}
            assert (await ann.put("/users/me/password", json=body)).status_code == 204

        class Interrupted(Passwords):
            interrupted = False

            async def matches(self, password: str, encoded: str | None) -> bool:
                matched = await super().matches(password, encoded)
                if not self.interrupted:
                    self.interrupted = True
                    # In a context of its own, as another request is: there no unit of work is open.
                    await asyncio.create_task(change_password(), context=Context())
                return matched

        with closing(Interrupted(8, 1)) as passwords, application.kernel.passwords.override(passwords):
            answer = await sign_in(client, "ann@example.com")
        if answer.status_code == 200:
            answer = await profile(client, answer.json()["access_token"])
        assert answer.status_code in {400, 401}


class TestFlood:
    async def test_is_turned_away_with_a_word_when_to_come_again(
        self, client: AsyncClient, application: Application
    ) -> None:
        class Busy(Passwords):
            async def matches(self, password: str, encoded: str | None) -> bool:
                raise TooManySignIns

        with closing(Busy(8, 1)) as passwords, application.kernel.passwords.override(passwords):
            answer = await sign_in(client, "ann@example.com")
        assert answer.status_code == 503
        assert (answer.json()["code"], answer.json()["retryable"]) == ("too_many_sign_ins", True)
        assert int(answer.headers["Retry-After"]) > 0


class TestAHashOfOtherParameters:
    async def test_is_renewed_before_the_account_is_locked(
        self, client: AsyncClient, application: Application, database: RolledBackDatabase
    ) -> None:
        """Hashing takes 45 ms, and others wait for the row as long as the transaction has it."""
        in_transaction = []

        class Watched(Passwords):
            async def hash(self, password: str) -> str:
                in_transaction.append(database.in_unit_of_work)
                return await super().hash(password)

        user = await UserFactory.saved()
        with closing(Watched(16, 1)) as passwords, application.kernel.passwords.override(passwords):
            first, second = await sign_in(client, user.email), await sign_in(client, user.email)
        assert (first.status_code, second.status_code) == (200, 200)
        assert in_transaction == [False]

    async def test_that_another_sign_in_renews_meanwhile_is_no_other_password(
        self, client: AsyncClient, application: Application, database: RolledBackDatabase
    ) -> None:
        """After the parameters were raised, an account's devices come all at once."""
        user = await UserFactory.saved()
        overtaken = Overtaken(lambda: sign_in(client, user.email))
        with closing(overtaken) as passwords, application.kernel.passwords.override(passwords):
            answer = await sign_in(client, user.email)
        assert overtaken.answer is not None
        assert overtaken.answer.status_code == 200
        assert answer.status_code == 200

    async def test_stays_in_a_crowd(self, client: AsyncClient, application: Application) -> None:
        class Crowded(Passwords):
            async def hash(self, password: str) -> str:
                raise TooManySignIns

        user = await UserFactory.saved()
        with closing(Crowded(16, 1)) as passwords, application.kernel.passwords.override(passwords):
            answer = await sign_in(client, user.email)
        assert answer.status_code == 200
