"""What API clients may rely on when they change their e-mail address: PUT /users/me/email."""

from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.container import Application
from modules.users.guesses import MAILBOX
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import Caller, signed_in
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import MailServer, text_of, token_in

SignIn = Callable[..., Awaitable[Caller]]
OLD, NEW = "old@example.com", "new@example.com"


async def change(caller: AsyncClient, email: str = NEW, password: str = PASSWORD, **options) -> Response:
    return await caller.put("/users/me/email", json={"email": email, "current_password": password}, **options)


async def sign_in(client: AsyncClient, email: str, password: str = PASSWORD) -> int:
    answer = await client.post("/auth/sessions", json={"email": email, "password": password})
    return answer.status_code


class TestWithoutMail:
    async def test_it_is_changed_at_once_and_not_verified(self, signed_in: SignIn):
        ann = await signed_in(email=OLD, email_verified=True)
        answer = await change(ann)
        assert (answer.status_code, answer.content) == (204, b"")
        account = (await ann.get("/users/me")).json()
        assert (account["email"], account["email_verified"]) == (NEW, False)

    async def test_one_signs_in_with_the_new_one_only(self, client: AsyncClient, signed_in: SignIn):
        await change(await signed_in(email=OLD))
        assert (await sign_in(client, NEW), await sign_in(client, OLD)) == (201, 401)

    async def test_one_that_stays_keeps_it_verified(self, signed_in: SignIn):
        ann = await signed_in(email=OLD, email_verified=True)
        before = await ann.get("/users/me")
        assert (await change(ann, OLD)).status_code == 204
        assert (await ann.get("/users/me")).content == before.content

    async def test_the_case_of_its_letters_may_change(self, signed_in: SignIn):
        """An account is never in its own way."""
        ann = await signed_in(email=OLD)
        assert (await change(ann, "Old@example.com")).status_code == 204
        assert (await ann.get("/users/me")).json()["email"] == "Old@example.com"

    @pytest.mark.parametrize("address", ["bob@example.com", "BOB@example.com"], ids=["same", "other letter case"])
    async def test_one_that_is_taken_is_a_conflict_and_changes_nothing(self, signed_in: SignIn, address: str):
        await UserFactory.saved(email="bob@example.com")
        ann = await signed_in(email=OLD)
        before = await ann.get("/users/me")
        answer = await change(ann, address)
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        assert (await ann.get("/users/me")).content == before.content

    async def test_of_another_version_than_the_present_one_is_refused(self, signed_in: SignIn):
        ann = await signed_in(email=OLD)
        refused = await change(ann, headers={"If-Match": '"7-x"'})
        assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")


class TestTheProof:
    async def test_is_the_password(self, signed_in: SignIn):
        ann = await signed_in(email=OLD)
        answer = await change(ann, password="not my password")
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/current_password"]
        assert (await ann.get("/users/me")).json()["email"] == OLD

    async def test_is_guessed_at_as_slowly_as_at_a_sign_in(self, signed_in: SignIn):
        ann = await signed_in()
        codes = [(await change(ann, password=f"guess {n}")).status_code for n in range(6)]
        assert codes == [403] * 5 + [429]

    @pytest.mark.parametrize("body", [{"email": NEW}, {"current_password": PASSWORD}, {}, {"email": "x"}])
    async def test_and_the_address_are_needed(self, signed_in: SignIn, body: dict[str, str]):
        ann = await signed_in()
        assert (await ann.put("/users/me/email", json=body)).status_code == 422


class TestWithMail:
    @pytest.fixture
    async def ann(self, mailing_app: FastAPI, mailing_application: Application, database: RolledBackDatabase) -> Caller:
        return await signed_in(mailing_app, mailing_application, email=OLD, email_verified=True)

    async def test_nothing_changes_until_the_new_one_confirms_and_then_the_old_one_is_told(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        answer = await change(ann)
        assert (answer.status_code, answer.content) == (202, b"")
        await do_jobs(mailing_application)
        assert (await ann.get("/users/me")).json()["email"] == OLD
        ((mail,), old_ones) = mail_server.to(NEW), mail_server.to(OLD)
        assert old_ones == []
        assert (await mailing.post("/auth/verify-email/confirm", json={"token": token_in(mail)})).status_code == 204
        account = (await ann.get("/users/me")).json()
        assert (account["email"], account["email_verified"]) == (NEW, True)
        await do_jobs(mailing_application)
        (told,) = mail_server.to(OLD)
        assert told["Subject"] == "Your e-mail address was changed"
        assert NEW not in text_of(told)

    @pytest.mark.parametrize(
        "new", ["old@straße.example", "OLD@strasse.example"], ids=["another domain", "other letter case"]
    )
    async def test_the_old_one_is_told_of_one_that_differs_a_little(
        self, mailing: AsyncClient, mailing_app: FastAPI, mailing_application, mail_server: MailServer, new: str
    ):
        """To Python, ß and ss fold alike. Mail goes to two places."""
        ann = await signed_in(mailing_app, mailing_application, email="old@strasse.example", email_verified=True)
        await change(ann, new)
        await do_jobs(mailing_application)
        token = token_in(mail_server.mails.pop())
        assert (await mailing.post("/auth/verify-email/confirm", json={"token": token})).status_code == 204
        await do_jobs(mailing_application)
        assert [(mail["To"], mail["Subject"]) for mail in mail_server.mails] == [
            ("old@strasse.example", "Your e-mail address was changed")
        ]

    async def test_one_that_is_taken_is_answered_alike_and_its_owner_told(
        self, ann: Caller, mailing_application: Application, mail_server: MailServer
    ):
        await UserFactory.saved(email="Bob@example.com")
        answer = await change(ann, "bob@EXAMPLE.com")
        assert (answer.status_code, answer.content) == (202, b"")
        await do_jobs(mailing_application)
        (mail,) = mail_server.mails
        assert (mail["To"], mail["Subject"]) == ("Bob@example.com", "You have an account already")
        assert "#token" not in mail.as_string()

    async def test_is_mailed_so_often_and_then_one_has_to_wait(
        self, ann: Caller, mailing_application: Application, mail_server: MailServer
    ):
        """Whoever has an account does not fill anybody's mailbox by it."""
        *mailed, refused = [await change(ann) for _ in range(MAILBOX.free + 1)]
        assert {answer.status_code for answer in mailed} == {202}
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_mails")
        assert int(refused.headers["Retry-After"]) > 0
        await do_jobs(mailing_application)
        assert {mail["To"] for mail in mail_server.mails} == {NEW}

    async def test_one_that_was_taken_meanwhile_is_a_conflict(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        await change(ann)
        await do_jobs(mailing_application)
        await UserFactory.saved(email=NEW)
        answer = await mailing.post("/auth/verify-email/confirm", json={"token": token_in(mail_server.mails[0])})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        assert (await ann.get("/users/me")).json()["email"] == OLD

    async def test_a_change_of_the_password_makes_the_link_void(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application, mail_server: MailServer
    ):
        """Whoever stole a session and the password does not get the account back by it."""
        await change(ann)
        await do_jobs(mailing_application)
        body = {"current_password": PASSWORD, "new_password": "another good password"}
        assert (await ann.put("/users/me/password", json=body)).status_code == 204
        token = token_in(mail_server.to(NEW)[0])
        answer = await mailing.post("/auth/verify-email/confirm", json={"token": token})
        assert (answer.status_code, answer.json()["code"]) == (400, "link_not_valid")

    async def test_needs_the_password_and_without_it_mails_nobody_nor_keeps_them_from_mail(
        self, ann: Caller, mailing: AsyncClient, mailing_application: Application
    ):
        assert [(await change(ann, password=f"guess {n}")).status_code for n in range(6)] == [403] * 5 + [429]
        assert await do_jobs(mailing_application) == []
        assert (await mailing.post("/auth/password-reset", json={"email": NEW})).status_code == 202


class TestByAnAdministrator:
    async def test_makes_it_unverified_and_tells_the_old_one(
        self, mailing_app: FastAPI, mailing_application: Application, mail_server: MailServer, database
    ):
        admin = await signed_in(mailing_app, mailing_application, role="admin")
        ann = await UserFactory.saved(email=OLD, email_verified=True)
        answer = await admin.patch(f"/users/{ann.id}", json={"email": NEW})
        assert (answer.json()["email"], answer.json()["email_verified"]) == (NEW, False)
        await do_jobs(mailing_application)
        assert [mail["To"] for mail in mail_server.mails] == [OLD]

    async def test_is_refused_for_their_own(self, signed_in: SignIn):
        """Their session alone would take the account."""
        admin = await signed_in(role="admin", email=OLD)
        answer = await admin.patch(f"/users/{admin.id}", json={"email": NEW})
        assert (answer.status_code, answer.json()["code"]) == (403, "own_address")
        assert (await admin.get("/users/me")).json()["email"] == OLD
