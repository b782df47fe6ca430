"""Second factors, whatever their kind: listed, removed by their owner or an administrator, told, purged."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from app.container import Application
from modules.users.factors import totp
from modules.users.factors.models import Factor, FactorUse, RecoveryCode, SpentChallenge
from modules.users.factors.sealing import Sealing
from modules.users.tests.authenticators import code_of
from modules.users.tests.test_authenticator_apps import EMAIL, add_app, begin, confirm, is_refused, rows, sign_in
from shared.upkeep.purge import Purge
from shared.writes import Change
from tests.callers import Caller
from tests.callers import signed_in as signed_in_at
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import MailServer

SignedIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignedIn) -> Caller:
    return await signed_in(email=EMAIL)


@pytest.fixture
async def admin(signed_in: SignedIn) -> Caller:
    return await signed_in(role="admin")


async def ids(caller: AsyncClient) -> list[str]:
    return [factor["id"] for factor in (await caller.get("/auth/factors")).json()["items"]]


async def count(database: RolledBackDatabase, model: type[Any]) -> int:
    return (await database.sql(select(func.count()).select_from(model))).scalar() or 0


class TestTheList:
    async def test_has_ones_own_alone(self, ann: Caller, admin: Caller) -> None:
        await add_app(ann)
        (id,) = await ids(ann)
        assert await ids(admin) == []
        for method in ("GET", "DELETE"):
            assert is_refused(await admin.request(method, f"/auth/factors/{id}"), 404, "factor_not_found")

    async def test_has_no_secret(self, ann: Caller) -> None:
        secret, codes = await add_app(ann)
        listed = (await ann.get("/auth/factors")).text
        assert not any(word in listed for word in (secret, codes[0], "credential", "key"))

    async def test_has_what_waits_for_its_first_code(self, ann: Caller) -> None:
        new = await begin(ann)
        (factor,) = (await ann.get("/auth/factors")).json()["items"]
        assert factor == new["factor"]
        assert factor["expires_at"] is not None
        assert factor["last_used_at"] is None


class TestRemoving:
    async def test_has_sign_ins_ask_for_it_no_more(self, client: AsyncClient, ann: Caller) -> None:
        await add_app(ann)
        assert (await ann.delete(f"/auth/factors/{(await ids(ann))[0]}")).status_code == 204
        assert await ids(ann) == []
        assert (await sign_in(client)).status_code == 201
        assert (await ann.get("/auth/factors/recovery-codes")).json() == {"left": 0}

    async def test_keeps_recovery_codes_beside_another_factor(self, client: AsyncClient, ann: Caller) -> None:
        await add_app(ann)
        secret, _ = await add_app(ann)
        _, first = await ids(ann)
        await ann.delete(f"/auth/factors/{first}")
        assert (await ann.get("/auth/factors/recovery-codes")).json() == {"left": 10}
        assert (await sign_in(client, code_of(secret, 1))).status_code == 201

    async def test_needs_a_sign_in_of_the_last_minutes(self, signed_in: SignedIn) -> None:
        stale = await signed_in(ago=timedelta(minutes=6))
        assert is_refused(await stale.delete(f"/auth/factors/{uuid7()}"), 403, "step_up_required")
        assert is_refused(await confirm(stale, {"factor": {"id": uuid7()}}, "123456"), 403, "step_up_required")

    async def test_of_what_is_not_there_is_refused(self, ann: Caller) -> None:
        assert is_refused(await ann.delete(f"/auth/factors/{uuid7()}"), 404, "factor_not_found")


class TestAnAdministrator:
    async def test_removes_the_factors_of_who_has_lost_them(
        self, client: AsyncClient, ann: Caller, admin: Caller
    ) -> None:
        await add_app(ann)
        await add_app(ann)
        assert (await admin.delete(f"/users/{ann.id}/factors")).status_code == 204
        assert await ids(ann) == []
        assert (await sign_in(client)).status_code == 201
        assert (await admin.delete(f"/users/{ann.id}/factors")).status_code == 204

    async def test_is_named_in_the_history_of_the_account(self, ann: Caller, admin: Caller) -> None:
        await add_app(ann)
        await admin.delete(f"/users/{ann.id}/factors")
        entries = (await admin.get(f"/users/{ann.id}/history?part=factors")).json()["items"]
        told = [(entry["action"], UUID(entry["actor_id"])) for entry in entries]
        assert told == [("deleted", admin.id), ("changed", ann.id), ("created", ann.id)]
        assert entries[0]["before"]["name"] == "Authenticator app"
        assert not {"key_material", "credential_id"} & entries[0]["before"].keys()

    async def test_needs_a_sign_in_of_the_last_minutes(self, ann: Caller, signed_in: SignedIn) -> None:
        stale = await signed_in(role="admin", ago=timedelta(minutes=6))
        assert is_refused(await stale.delete(f"/users/{ann.id}/factors"), 403, "step_up_required")

    async def test_alone_does_so(self, ann: Caller, admin: Caller) -> None:
        assert is_refused(await ann.delete(f"/users/{admin.id}/factors"), 403, "administrators_only")
        assert is_refused(await admin.delete(f"/users/{uuid7()}/factors"), 404, "user_not_found")


class TestUse:
    async def test_is_not_in_the_history(self, client: AsyncClient, ann: Caller, database: RolledBackDatabase) -> None:
        """Nor does the change feed tell of each sign-in."""
        secret, codes = await add_app(ann)
        before = await rows(database, "journal")
        assert (await sign_in(client, code_of(secret))).status_code == 201
        assert (await sign_in(client, codes[0])).status_code == 201
        assert await rows(database, "journal") == before

    async def test_is_told_with_the_factor(
        self, client: AsyncClient, ann: Caller, database: RolledBackDatabase
    ) -> None:
        secret, _ = await add_app(ann)
        await database.sql(text("UPDATE factor_uses SET used_at = '2020-01-01'"))
        await sign_in(client, code_of(secret))
        assert (await ann.get("/auth/factors")).json()["items"][0]["last_used_at"] > "2026"


class TestThePurge:
    async def test_takes_what_was_never_confirmed_and_challenges_of_the_past(
        self, application: Application, database: RolledBackDatabase, ann: Caller
    ) -> None:
        await add_app(ann)
        await begin(ann)
        challenge = "INSERT INTO spent_challenges VALUES ('\\x01', now() - interval '1 s'), ('\\x02', 'infinity')"
        await database.sql(text(challenge))
        await database.sql(text("UPDATE factors SET expires_at = expires_at - interval '11 min'"))
        await Purge(database, application.kernel.settings()).run()
        assert [await count(database, kind) for kind in (Factor, SpentChallenge)] == [1, 1]

    async def test_takes_them_with_the_account(
        self, application: Application, database: RolledBackDatabase, ann: Caller
    ) -> None:
        await add_app(ann)
        assert (await ann.delete("/users/me")).status_code == 204
        await database.sql(text("UPDATE users SET deleted_at = now() - interval '1000 days'"))
        await Purge(database, application.kernel.settings()).run()
        assert [await count(database, kind) for kind in (Factor, FactorUse, RecoveryCode)] == [0, 0, 0]


class TestSealing:
    """Of secrets that have to be read again."""

    NEW, OLD = b"new." * 8, b"old." * 8

    def test_opens_what_was_sealed_with_the_former_key(self) -> None:
        owner = uuid7()
        sealed = Sealing([self.OLD]).seal(b"secret", owner)
        assert Sealing([self.NEW, self.OLD]).opened(sealed, owner) == b"secret"

    def test_seals_with_the_present_key(self) -> None:
        owner = uuid7()
        sealed = Sealing([self.NEW, self.OLD]).seal(b"secret", owner)
        assert Sealing([self.NEW]).opened(sealed, owner) == b"secret"

    def test_is_never_the_same_twice(self) -> None:
        sealing, owner = Sealing([self.NEW]), uuid7()
        assert sealing.seal(b"secret", owner) != sealing.seal(b"secret", owner)

    def test_of_another_account_opens_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """Whoever may write to the table cannot sign in to another account with the app of their own."""
        sealing = Sealing([self.NEW])
        assert sealing.opened(sealing.seal(b"secret", uuid7()), uuid7()) is None

    def test_with_another_key_opens_nothing_and_tells_the_operator(self, caplog: pytest.LogCaptureFixture) -> None:
        owner = uuid7()
        with caplog.at_level(logging.ERROR):
            assert Sealing([self.NEW]).opened(Sealing([self.OLD]).seal(b"secret", owner), owner) is None
        assert "TRELLIS_SECRET" in caplog.text

    async def test_is_done_anew_when_the_secret_was_replaced(
        self, application: Application, database: RolledBackDatabase, client: AsyncClient, ann: Caller
    ) -> None:
        """Every hour, so that the former one can be forgotten some hours later."""
        secret, _ = await add_app(ann)
        container, settings = application.containers["users"], application.kernel.settings()
        replaced = settings.model_copy(
            update={"secret": SecretStr("another secret, for the same tests"), "secret_previous": settings.secret}
        )
        forgotten = replaced.model_copy(update={"secret_previous": None})
        former, both, later = (Sealing(one.keys("second factors")) for one in (settings, replaced, forgotten))
        for sealing in (former, both, both):  # The first has nothing to do, nor has the last.
            with container.sealing.override(sealing):
                service = container.app_service()
            async with database.unit_of_work() as unit:
                await service.seal_anew(Change(unit))
        async with database.unit_of_work() as unit:
            (known,) = await container.factor_repository().of_account(Change(unit), ann.id)
        assert former.opened(known.key_material, ann.id) is None
        opened = later.opened(known.key_material, ann.id)
        assert opened is not None
        assert totp.base32(opened) == secret

    async def test_with_a_key_that_is_lost_leaves_recovery_codes(
        self, client: AsyncClient, ann: Caller, database: RolledBackDatabase
    ) -> None:
        secret, codes = await add_app(ann)
        await database.sql(text("UPDATE factors SET key_material = '\\x00'"))
        assert is_refused(await sign_in(client, code_of(secret)), 401, "second_factor_wrong")
        assert (await sign_in(client, codes[0])).status_code == 201


class TestTheOwner:
    async def test_is_told_of_each_that_is_added_used_up_renewed_or_removed(
        self,
        mailing_app: FastAPI,
        mailing_application: Application,
        mail_server: MailServer,
        database: RolledBackDatabase,
    ) -> None:
        ann = await signed_in_at(mailing_app, mailing_application, email=EMAIL)
        secret, codes = await add_app(ann)
        await add_app(ann)
        await begin(ann)
        assert (await sign_in(ann, codes[0])).status_code == 201
        renewed = (await ann.post("/auth/factors/recovery-codes")).json()["recovery_codes"]
        await ann.delete(f"/auth/factors/{(await ids(ann))[1]}")
        administrator = await signed_in_at(mailing_app, mailing_application, role="admin")
        await administrator.delete(f"/users/{ann.id}/factors")
        await do_jobs(mailing_application)
        assert sorted(mail["Subject"] for mail in mail_server.to(EMAIL)) == [
            "A recovery code was used",
            "A second factor was added",
            "A second factor was added",
            "A second factor was removed",
            "A second factor was removed",
            "New recovery codes were made",
        ]
        sent = "".join(mail.as_string() for mail in mail_server.mails)
        assert "Authenticator app" in sent
        assert not any(word in sent for word in (secret, *codes, *renewed))
