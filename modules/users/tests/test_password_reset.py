"""What API clients may rely on when a password was forgotten: POST /auth/password-reset and …/confirm."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users.models import User
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.auth import Passwords
from tests.callers import Caller
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import SITE, MailServer, text_of, token_in

SignIn = Callable[..., Awaitable[Caller]]
EMAIL, NEW = "ann@example.com", "another good password"


async def ask(client: AsyncClient, email: str = EMAIL) -> Response:
    return await client.post("/auth/password-reset", json={"email": email})


async def confirm(client: AsyncClient, token: str, password: str = NEW) -> Response:
    return await client.post("/auth/password-reset/confirm", json={"token": token, "new_password": password})


async def sign_in(client: AsyncClient, email: str, password: str) -> int:
    return (await client.post("/auth/sessions", json={"email": email, "password": password})).status_code


@pytest.fixture
def mailed(mailing: AsyncClient, mailing_application: Application, mail_server: MailServer):
    """Asks for a reset, and gives the token of the mail."""

    async def mailed(email: str = EMAIL) -> str:
        assert (await ask(mailing, email)).status_code == 202
        await do_jobs(mailing_application)
        return token_in(mail_server.mails[-1])

    return mailed


@pytest.fixture
async def ann(database: RolledBackDatabase) -> User:
    return await UserFactory.saved(email=EMAIL)


class TestAsk:
    async def test_mails_a_link_to_the_address_of_the_account(
        self, ann: User, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        answer = await ask(mailing, "ANN@example.com")
        assert (answer.status_code, answer.content) == (202, b"")
        assert await do_jobs(mailing_application) == ["users.send_confirmation"]
        (mail,) = mail_server.mails
        assert (mail["To"], mail["Subject"]) == (EMAIL, "Set another password")
        assert f"{SITE}/password-reset#token={token_in(mail)}" in text_of(mail)
        assert "for 1 hour." in text_of(mail)

    @pytest.mark.parametrize("columns", [None, {"is_active": False}, {"deleted_at": "2026-01-01T00:00:00Z"}])
    async def test_is_answered_alike_where_nobody_is_mailed(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer, database, columns
    ):
        """No account, one that may not sign in, and one that was deleted."""
        if columns:
            await UserFactory.saved(email=EMAIL, **{k: v for k, v in columns.items() if k != "deleted_at"})
            if "deleted_at" in columns:
                await database.sql(text("UPDATE users SET deleted_at = now() WHERE email = :email"), {"email": EMAIL})
        answer = await ask(mailing)
        assert (answer.status_code, answer.content) == (202, b"")
        assert await do_jobs(mailing_application) == ["users.send_confirmation"]
        assert mail_server.mails == []

    async def test_does_the_same_statements_whether_or_not_there_is_an_account(
        self, ann: User, mailing: AsyncClient, database: RolledBackDatabase
    ):
        """So that the time tells nothing; make security measures it."""
        rows = []
        for email in (EMAIL, "nobody@example.com"):
            await ask(mailing, email)
            counts = "SELECT (SELECT count(*) FROM confirmations), (SELECT count(*) FROM procrastinate_jobs)"
            rows.append((await database.sql(text(counts))).one())
        assert rows == [(1, 1), (2, 2)]
        foreign = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'confirmations'::regclass AND contype = 'f'"
        assert (await database.sql(text(foreign))).scalar_one() == 0  # For an account alone, it would be checked.

    async def test_writes_the_same_when_the_mail_is_sent_and_when_there_is_nobody_to_write_to(
        self, ann: User, mailing: AsyncClient, mailing_application: Application, database: RolledBackDatabase
    ):
        """A cursor of the feed tells how many transactions there were."""
        for email in (EMAIL, "nobody@example.com"):
            await ask(mailing, email)
        await do_jobs(mailing_application)
        assert (await database.sql(text("SELECT count(digest) FROM confirmations"))).scalar_one() == 2

    async def test_leaves_neither_an_address_nor_a_token_in_the_queue(
        self, ann: User, mailing: AsyncClient, mailed, database: RolledBackDatabase
    ):
        await ask(mailing)
        ((arguments,),) = await database.sql(text("SELECT args FROM procrastinate_jobs"))
        assert arguments["payload"].keys() == {"confirmation_id"}
        assert EMAIL not in str(arguments)
        token = await mailed()
        kept = (await database.sql(text("SELECT confirmations::text FROM confirmations"))).scalars().all()
        assert token not in str(kept)

    async def test_without_mail_says_so(self, client: AsyncClient):
        answer = await ask(client)
        assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_configured")

    async def test_of_an_address_is_limited_alike_with_an_account_and_without(
        self, ann: User, mailing: AsyncClient, mail_server: MailServer
    ):
        for email in (EMAIL, "nobody@example.com"):
            answers = [await ask(mailing, email.replace("a", "A")) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [202] * 5 + [429]
            assert answers[-1].json()["code"] == "too_many_mails"
            assert int(answers[-1].headers["Retry-After"]) >= 1

    async def test_of_an_address_is_counted_as_addresses_are_compared(self, mailing: AsyncClient):
        """Python would fold ß and ſ to letters of other addresses, whose owners could ask for no mail then."""
        for other, email in (("stra\u00dfe", "strasse"), ("\u017fmith", "smith")):
            answers = [await ask(mailing, f"{other}@example.com") for _ in range(6)]
            assert [answer.status_code for answer in answers] == [202] * 5 + [429]
            assert (await ask(mailing, f"{email}@example.com")).status_code == 202

    @pytest.mark.parametrize("email", ["no-address", "", "ann@example.com\r\nBcc: x@example.com", None])
    async def test_of_what_is_no_address_is_refused(self, mailing: AsyncClient, email: Any):
        assert (await mailing.post("/auth/password-reset", json={"email": email})).status_code == 422


class TestConfirm:
    async def test_sets_the_password_and_knows_that_the_address_is_the_persons(
        self, ann: User, mailing: AsyncClient, mailed, signed_in: SignIn
    ):
        answer = await confirm(mailing, await mailed())
        assert (answer.status_code, answer.content) == (204, b"")
        assert await sign_in(mailing, EMAIL, NEW) == 201
        assert await sign_in(mailing, EMAIL, PASSWORD) == 401
        admin = await signed_in(role="admin")
        assert (await admin.get(f"/users/{ann.id}")).json()["email_verified"] is True

    async def test_ends_every_session(self, ann: User, mailing: AsyncClient, mailed, signed_in: SignIn):
        here = await signed_in(ann)
        await confirm(mailing, await mailed())
        assert (await here.get("/users/me")).status_code == 401

    async def test_is_told_to_the_owner(
        self, ann: User, mailing: AsyncClient, mailed, mailing_application: Application, mail_server: MailServer
    ):
        await confirm(mailing, await mailed())
        await do_jobs(mailing_application)
        assert [mail["Subject"] for mail in mail_server.to(EMAIL)][1:] == ["Your password was changed"]

    async def test_is_good_once(self, ann: User, mailing: AsyncClient, mailed):
        token = await mailed()
        assert (await confirm(mailing, token)).status_code == 204
        answer = await confirm(mailing, token, "yet another password")
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")

    async def test_makes_other_links_void(self, ann: User, mailing: AsyncClient, mailed):
        first, second = await mailed(), await mailed()
        assert (await confirm(mailing, second)).status_code == 204
        assert (await confirm(mailing, first)).status_code == 400

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE users SET password_hash = password_hash || ' '",
            "UPDATE users SET email = 'other@example.com'",
            "UPDATE users SET is_active = false",
            "UPDATE users SET deleted_at = now()",
            "UPDATE confirmations SET expires_at = now()",
            "UPDATE confirmations SET purpose = 'address'",
        ],
        ids=["password", "address", "deactivated", "deleted", "expired", "another purpose"],
    )
    async def test_is_void_when_the_account_has_changed_or_the_time_is_over(
        self, ann: User, mailing: AsyncClient, mailed, database: RolledBackDatabase, statement: str
    ):
        token = await mailed()
        await database.sql(text(statement))
        answer = await confirm(mailing, token)
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")

    async def test_is_good_after_a_sign_in_has_hashed_the_same_password_anew(
        self, ann: User, mailing: AsyncClient, mailed, mailing_application: Application
    ):
        """With the parameters of today. That is no other password."""
        token = await mailed()
        with closing(Passwords(16, 1)) as passwords, mailing_application.kernel.passwords.override(passwords):
            assert await sign_in(mailing, EMAIL, PASSWORD) == 201
        assert (await confirm(mailing, token)).status_code == 204

    @pytest.mark.parametrize("token", ["x", "é", "A" * 43, "token with blanks", "🙂" * 50])
    async def test_of_a_token_that_nobody_was_mailed_is_refused(self, ann: User, mailing: AsyncClient, mailed, token):
        await mailed()
        assert (await confirm(mailing, token)).json()["code"] == "link_not_valid"

    @pytest.mark.parametrize("token", ["", "\0", "x" * 201, None, 7])
    async def test_of_what_can_be_no_token_is_pointed_at(self, mailing: AsyncClient, token: Any):
        answer = await mailing.post("/auth/password-reset/confirm", json={"token": token, "new_password": NEW})
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/token"]

    async def test_with_a_weak_password_is_refused_and_leaves_the_link_good(self, ann: User, mailing, mailed):
        token = await mailed()
        answer = await confirm(mailing, token, "password1")
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/new_password"]
        assert (await confirm(mailing, token)).status_code == 204

    async def test_lets_the_owner_sign_in_while_others_guess(self, ann: User, mailing: AsyncClient, mailed):
        """The place where the link was used is known."""
        token = await mailed()
        assert [await sign_in(mailing, EMAIL, f"guess {n}") for n in range(6)] == [401] * 5 + [429]
        await confirm(mailing, token)
        assert await sign_in(mailing, EMAIL, NEW) == 201
