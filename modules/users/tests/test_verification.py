"""What API clients may rely on when an address is verified, and when an account is registered where mail is sent."""

from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users.tests.factories import UserFactory
from tests.callers import Caller, signed_in
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import SITE, MailServer, text_of, token_in

SignIn = Callable[..., Awaitable[Caller]]
ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Buy at http://spam.example"}


async def confirm(client: AsyncClient, token: str, password: str | None = None) -> Response:
    body = {"token": token} | ({} if password is None else {"password": password})
    return await client.post("/auth/verify-email/confirm", json=body)


async def mailed(mailing: AsyncClient, application: Application, server: MailServer) -> str:
    """The token in the mail of a registration."""
    assert (await mailing.post("/users", json=ANN)).status_code == 202
    await do_jobs(application)
    return token_in(server.to(ANN["email"])[-1])


class TestVerification:
    @pytest.fixture
    async def ann(self, mailing_app: FastAPI, mailing_application: Application, database: RolledBackDatabase) -> Caller:
        return await signed_in(mailing_app, mailing_application, email="Ann@example.com")

    async def test_is_by_a_link_in_a_mail_to_ones_own_address(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        answer = await ann.post("/auth/verify-email")
        assert (answer.status_code, answer.content) == (202, b"")
        await do_jobs(mailing_application)
        (mail,) = mail_server.mails
        assert mail["To"] == "Ann@example.com"
        assert f"{SITE}/verify-email#token={token_in(mail)}" in text_of(mail)
        assert "for 24 hours." in text_of(mail).replace("\n", " ")
        confirmed = await confirm(mailing, token_in(mail))
        assert (confirmed.status_code, confirmed.content) == (204, b"")
        account = (await ann.get("/users/me")).json()
        assert (account["email"], account["email_verified"]) == ("Ann@example.com", True)
        assert await do_jobs(mailing_application) == []

    async def test_is_good_once(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        await ann.post("/auth/verify-email")
        await do_jobs(mailing_application)
        token = token_in(mail_server.mails[0])
        assert [(await confirm(mailing, token)).status_code for _ in range(2)] == [204, 400]

    async def test_asks_for_no_password_and_looks_at_none(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        """A page need not know which kind of link it was opened by."""
        await ann.post("/auth/verify-email")
        await do_jobs(mailing_application)
        assert (await confirm(mailing, token_in(mail_server.mails[0]), "not my password")).status_code == 204

    async def test_sets_no_password(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        """A token is bound to its purpose."""
        await ann.post("/auth/verify-email")
        await do_jobs(mailing_application)
        body = {"token": token_in(mail_server.mails[0]), "new_password": "another good password"}
        answer = await mailing.post("/auth/password-reset/confirm", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")

    async def test_of_an_account_that_was_deactivated_meanwhile_is_void(
        self, ann: Caller, mailing: AsyncClient, mailing_application, mail_server: MailServer, database
    ):
        await ann.post("/auth/verify-email")
        await do_jobs(mailing_application)
        await database.sql(text("UPDATE users SET is_active = false"))
        assert (await confirm(mailing, token_in(mail_server.mails[0]))).status_code == 400

    async def test_is_limited(self, ann: Caller):
        codes = [(await ann.post("/auth/verify-email")).status_code for _ in range(6)]
        assert codes == [202] * 5 + [429]

    async def test_needs_a_session(self, mailing: AsyncClient):
        assert (await mailing.post("/auth/verify-email")).status_code == 401

    async def test_without_mail_says_so(self, signed_in: SignIn):
        answer = await (await signed_in()).post("/auth/verify-email")
        assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_configured")

    @pytest.mark.parametrize("token", ["x", "A" * 43, "é🙂"])
    async def test_by_a_token_that_nobody_was_mailed_is_refused(self, client: AsyncClient, token: str):
        answer = await confirm(client, token)
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")


class TestRegistrationWhereMailIsSent:
    async def test_makes_the_account_when_the_link_is_used(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        answer = await mailing.post("/users", json=ANN)
        assert (answer.status_code, answer.content) == (202, b"")
        credentials = {"email": ANN["email"], "password": ANN["password"]}
        assert (await mailing.post("/auth/sessions", json=credentials)).status_code == 401
        await do_jobs(mailing_application)
        (mail,) = mail_server.to(ANN["email"])
        assert mail["Subject"] == "Confirm your registration"
        assert "asks for the password that you have chosen" in " ".join(text_of(mail).split())
        confirmed = await confirm(mailing, token_in(mail), ANN["password"])
        assert (confirmed.status_code, confirmed.content) == (204, b"")
        session = (await mailing.post("/auth/sessions", json=credentials)).json()
        me = await mailing.get("/users/me", headers={"Authorization": f"Bearer {session['access_token']}"})
        account = me.json()
        assert (account["email"], account["full_name"], account["email_verified"], account["role"]) == (
            ANN["email"],
            ANN["full_name"],
            True,
            "user",
        )

    async def test_of_an_address_with_an_account_is_answered_alike_and_its_owner_told(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer, database
    ):
        await UserFactory.saved(email="Ann@example.com")
        answer = await mailing.post("/users", json=ANN)
        assert (answer.status_code, answer.content) == (202, b"")
        await do_jobs(mailing_application)
        # Written as for a registration: a cursor of the feed tells how many transactions there were.
        assert (await database.sql(text("SELECT count(digest) FROM confirmations"))).scalar_one() == 1
        (mail,) = mail_server.mails
        assert (mail["To"], mail["Subject"]) == ("Ann@example.com", "You have an account already")
        assert "#token" not in mail.as_string()

    async def test_sends_strangers_no_word_of_who_registers(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        """Or anybody could have us send what they want to whom they want."""
        await mailing.post("/users", json=ANN)
        await do_jobs(mailing_application)
        assert "spam" not in text_of(mail_server.mails[0]) + text_of(mail_server.mails[0], "html")

    async def test_of_two_for_one_address_the_first_link_that_is_used_wins(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        for password in ("correct horse battery", "another good password"):
            await mailing.post("/users", json=ANN | {"password": password})
        await do_jobs(mailing_application)
        first, second = map(token_in, mail_server.mails)
        assert (await confirm(mailing, second, "another good password")).status_code == 204
        answer = await confirm(mailing, first, ANN["password"])
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        credentials = {"email": ANN["email"], "password": "another good password"}
        assert (await mailing.post("/auth/sessions", json=credentials)).status_code == 201

    async def test_is_confirmed_by_who_knows_the_password_and_nobody_else(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        """Somebody else may have registered with this address, and their mail looks like one's own."""
        token = await mailed(mailing, mailing_application, mail_server)
        for password, status, code in (
            (None, 422, "password_required"),
            ("", 403, "wrong_password"),
            ("another good password", 403, "wrong_password"),
        ):
            answer = await confirm(mailing, token, password)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert [error["pointer"] for error in answer.json()["errors"]] == ["/password"]
        credentials = {"email": ANN["email"], "password": ANN["password"]}
        assert (await mailing.post("/auth/sessions", json=credentials)).status_code == 401
        assert (await confirm(mailing, token, ANN["password"])).status_code == 204
        answer = await confirm(mailing, token, ANN["password"])
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")

    async def test_has_its_password_guessed_as_slowly_as_at_a_sign_in(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        token, another = [await mailed(mailing, mailing_application, mail_server) for _ in range(2)]
        answers = [await confirm(mailing, token, f"guess {n}") for n in range(6)]
        assert [answer.status_code for answer in answers] == [403] * 5 + [429]
        assert (await confirm(mailing, token, ANN["password"])).json()["code"] == "too_many_attempts"
        assert (await confirm(mailing, another, ANN["password"])).status_code == 204, "Another link."

    async def test_is_kept_from_nobody_by_who_guesses_at_a_sign_in(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        token = await mailed(mailing, mailing_application, mail_server)
        wrong = {"email": ANN["email"], "password": "a guess"}
        assert [(await mailing.post("/auth/sessions", json=wrong)).status_code for _ in range(6)] == [401] * 5 + [429]
        assert (await confirm(mailing, token, ANN["password"])).status_code == 204

    async def test_that_has_expired_is_refused_whatever_the_password(
        self, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer, database
    ):
        token = await mailed(mailing, mailing_application, mail_server)
        await database.sql(text("UPDATE confirmations SET expires_at = now()"))
        for password in (None, "a guess", ANN["password"]):
            assert (await confirm(mailing, token, password)).json()["code"] == "link_not_valid"

    async def test_is_limited(self, mailing: AsyncClient):
        codes = [(await mailing.post("/users", json=ANN)).status_code for _ in range(6)]
        assert codes == [202] * 5 + [429]

    async def test_is_refused_as_elsewhere(self, mailing: AsyncClient, mailing_application: Application):
        assert (await mailing.post("/users", json=ANN | {"email": "x"})).status_code == 422
        assert (await mailing.post("/users", json=ANN | {"password": "password1"})).status_code == 422
        assert await do_jobs(mailing_application) == []
