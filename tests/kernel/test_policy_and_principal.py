"""Who may do what: the principal, and the table of roles and actions."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from sqlalchemy import String, cast, literal, null, select, true
from uuid_utils.compat import uuid7

from shared.auth.policy import Policy
from shared.auth.principal import RECENT, AdministratorsOnly, Principal, StepUpRequired
from shared.auth.scopes import InsufficientScope, KeyRefused
from shared.errors import Forbidden
from tests.database import RolledBackDatabase


class Role(StrEnum):
    OWNER = "owner"
    VIEWER = "viewer"


class BookForbidden(Forbidden):
    """You may read this book but not write in it."""


POLICY = Policy(
    role=lambda rows, extensions: null(),
    listed=lambda rows, extensions: (true(),),
    allowed={"write": frozenset({Role.OWNER}), "borrow": frozenset(Role), "burn": frozenset()},
)


class TestPrincipal:
    def test_an_administrator_passes_as_one(self) -> None:
        Principal(uuid7(), uuid7(), is_admin=True).require_admin()

    def test_nobody_else_does(self) -> None:
        with pytest.raises(AdministratorsOnly):
            Principal(uuid7(), uuid7(), is_admin=False).require_admin()

    def test_is_no_administrator_unless_it_is_said(self) -> None:
        assert not Principal(uuid7()).is_admin

    def test_that_signed_in_lately_passes_where_that_is_asked_for(self) -> None:
        Principal(uuid7(), uuid7(), False, datetime.now(UTC) - RECENT + timedelta(minutes=1)).require_recent_sign_in()

    @pytest.mark.parametrize("signed_in_at", [None, datetime.now(UTC) - RECENT - timedelta(seconds=1)])
    def test_that_did_not_does_not(self, signed_in_at: datetime | None) -> None:
        """Nor one that never signs in."""
        with pytest.raises(StepUpRequired) as refused:
            Principal(uuid7(), uuid7(), True, signed_in_at).require_recent_sign_in()
        assert isinstance(refused.value, Forbidden)
        assert refused.value.code == "step_up_required"

    def test_the_refusal_is_a_forbidden_that_says_why(self) -> None:
        error = AdministratorsOnly()
        assert isinstance(error, Forbidden)
        assert (error.code, error.detail) == ("administrators_only", "Only administrators may do this.")

    def test_gives_its_statements_who_is_calling(self) -> None:
        id = uuid7()
        assert Principal(id, is_admin=True).parameters() == {
            "caller_id": id,
            "session_id": None,
            "caller_is_admin": True,
            "caller_scopes": None,
        }
        assert Principal(id, scopes=frozenset({"tags:read"})).parameters()["caller_scopes"] == ["tags:read"]

    def test_without_a_key_needs_no_scope(self) -> None:
        for needed in (None, frozenset[str](), frozenset({"tags:read"})):
            Principal(uuid7()).require_scopes(needed)

    def test_with_a_key_needs_the_scope_of_each_thing(self) -> None:
        key = Principal(uuid7(), scopes=frozenset({"tags:read"}))
        key.require_scopes(frozenset())
        key.require_scopes(frozenset({"tags:read"}))
        with pytest.raises(InsufficientScope) as refused:
            key.require_scopes(frozenset({"tags:write"}))
        assert (refused.value.scope, type(refused.value)) == ("tags:write", InsufficientScope)

    def test_with_a_key_is_refused_where_nobody_said_that_keys_may(self) -> None:
        with pytest.raises(KeyRefused):
            Principal(uuid7(), scopes=frozenset({"tags:read"})).require_scopes(None)

    def test_with_a_key_never_signed_in(self) -> None:
        key = Principal(uuid7(), uuid7(), True, datetime.now(UTC), frozenset({"tags:read"}))
        with pytest.raises(StepUpRequired):
            key.require_recent_sign_in()

    def test_cannot_become_somebody_else(self) -> None:
        principal = Principal(uuid7())
        with pytest.raises(FrozenInstanceError):
            principal.is_admin = True  # type: ignore[misc]


class TestPolicy:
    @pytest.mark.parametrize(("action", "role"), [("write", "owner"), ("borrow", "viewer"), ("borrow", Role.OWNER)])
    def test_lets_through_who_has_the_role(self, action: str, role: str) -> None:
        """The role comes out of a statement, as text."""
        POLICY.demand(action, role, BookForbidden)

    @pytest.mark.parametrize(("action", "role"), [("write", "viewer"), ("burn", "owner"), ("borrow", "stranger")])
    def test_raises_the_denial_of_the_resource_for_everyone_else(self, action: str, role: str) -> None:
        with pytest.raises(BookForbidden):
            POLICY.demand(action, role, BookForbidden)

    @pytest.mark.parametrize(
        ("action", "role", "expected"),
        [("write", "owner", True), ("write", "viewer", False), ("burn", "owner", False), ("write", None, None)],
    )
    async def test_decides_the_same_in_a_statement(
        self, database: RolledBackDatabase, action: str, role: str | None, expected: bool | None
    ) -> None:
        """There, the role of a row that is not visible is NULL, and so is the answer."""
        permitted = POLICY.permits(action, cast(literal(role), String()))
        assert (await database.sql(select(permitted))).scalar_one() is expected

    def test_an_action_that_is_not_in_the_table_is_a_mistake_of_ours(self) -> None:
        with pytest.raises(KeyError):
            POLICY.demand("sell", "owner", BookForbidden)
