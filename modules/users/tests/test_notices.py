"""What the owner of an account is told by mail."""

from contextlib import suppress

import pytest
from fastapi import FastAPI

from app.container import Application
from modules.users.notices import Notice, Notices
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.writes import Change
from tests.callers import signed_in
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import MailServer, text_of

ADVICE = {
    Notice.PASSWORD_CHANGED: "Reset your password, which ends all sessions.",
    Notice.EMAIL_CHANGED: "A reset of your password does not help",
    Notice.KEY_MADE: "revoke the key",
    Notice.SERVICE_MADE: "delete the service",
    Notice.FACTOR_ADDED: "remove the factor",
    Notice.FACTOR_REMOVED: "add a factor again",
    Notice.RECOVERY_CODE_USED: "make new recovery codes",
    Notice.RECOVERY_CODES_MADE: "make new ones once more",
}


@pytest.fixture
def notices(mailing_application: Application) -> Notices:
    found: Notices = mailing_application.containers["users"].notices()
    return found


class TestANotice:
    @pytest.mark.parametrize("notice", Notice)
    async def test_is_a_mail_in_text_and_in_html(
        self, notice, notices, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        user = await UserFactory.saved()
        async with database.unit_of_work() as unit:
            await notices.tell(Change(unit), user.id, notice, name="<b>CI</b>")
        assert await do_jobs(mailing_application) == ["users.send_notice"]
        (mail,) = mail_server.to(user.email)
        assert mail["Subject"]
        assert "Name: <b>CI</b>" in text_of(mail)
        assert "Name: &lt;b&gt;CI&lt;/b&gt;" in text_of(mail, "html")

    @pytest.mark.parametrize("notice", Notice)
    async def test_says_what_gets_an_intruder_out(
        self, notice, notices, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        """Of what a reset of the password leaves as it is, it alone would be no help."""
        user = await UserFactory.saved()
        async with database.unit_of_work() as unit:
            await notices.tell(Change(unit), user.id, notice)
        await do_jobs(mailing_application)
        (mail,) = mail_server.to(user.email)
        for kind in ("plain", "html"):
            told = " ".join(text_of(mail, kind).split())
            assert ADVICE[notice] in told
            assert ("Reset your password" in told) == (notice == Notice.PASSWORD_CHANGED)
            assert "tell the people who run the site" in told

    async def test_goes_to_the_address_of_that_moment(
        self, notices, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        """Whoever takes an account changes its address next, and would get what its owner is told."""
        user = await UserFactory.saved(email="ann@example.com")
        async with database.unit_of_work() as unit:
            await notices.tell(Change(unit), user.id, Notice.EMAIL_CHANGED)
            await unit.flush()
            async with unit.orm() as orm:
                (await orm.merge(user)).email = "mallory@example.com"
        await do_jobs(mailing_application)
        assert [mail["To"] for mail in mail_server.mails] == ["ann@example.com"]

    async def test_is_not_sent_when_the_change_is_not_kept(
        self, notices, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        user = await UserFactory.saved()
        with suppress(ZeroDivisionError):
            async with database.unit_of_work() as unit:
                await notices.tell(Change(unit), user.id, Notice.KEY_MADE)
                raise ZeroDivisionError
        assert await do_jobs(mailing_application) == []

    async def test_is_left_by_nobody_where_there_is_no_mail(self, application, database: RolledBackDatabase):
        user = await UserFactory.saved()
        async with database.unit_of_work() as unit:
            await application.containers["users"].notices().tell(Change(unit), user.id, Notice.KEY_MADE)
        assert await do_jobs(application) == []


class TestAChangeOfThePassword:
    async def test_is_told(
        self, mailing_app: FastAPI, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        ann = await signed_in(mailing_app, mailing_application, email="ann@example.com")
        body = {"current_password": PASSWORD, "new_password": "another good password"}
        assert (await ann.put("/users/me/password", json=body)).status_code == 204
        await do_jobs(mailing_application)
        (mail,) = mail_server.to("ann@example.com")
        assert mail["Subject"] == "Your password was changed"
        assert "another good password" not in mail.as_string()

    async def test_that_is_refused_is_not_told(
        self, mailing_app: FastAPI, mailing_application, mail_server: MailServer, database: RolledBackDatabase
    ):
        ann = await signed_in(mailing_app, mailing_application)
        body = {"current_password": "not my password", "new_password": "another good password"}
        assert (await ann.put("/users/me/password", json=body)).status_code == 403
        assert await do_jobs(mailing_application) == []
