"""What every module publishes of a resource: which rows are live, and what the caller may do with them."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from modules.projects.errors import InvitationForbidden
from modules.projects.repository import InvitationRepository
from modules.projects.tests.factories import InvitationFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import User, UserSession
from modules.users.tests.factories import UserFactory
from shared.auth import CHANGE
from shared.auth.principal import Principal
from shared.auth.tokens import InvalidToken
from shared.wire.database import Database
from shared.wire.statements import Statement
from shared.writes.api import Api
from shared.writes.change import Change, Permission
from shared.writes.verbs import Verbs
from shared.writes.verbs_on_many import VerbsOnMany
from tests.database import clone

ROWS = """
    INSERT INTO users (id, email, full_name, password_hash, role, is_active, email_verified)
    VALUES (%(id)s, 'ann@example.com', 'Ann', '', 'user', true, false);
    INSERT INTO projects (id, owner_id, name, status) VALUES (%(id)s, %(id)s, 'Garden', 'active');
    INSERT INTO tags (id, owner_id, name, slug, color) VALUES (%(id)s, %(id)s, 'Green', 'green', '#00ff00')
"""
GONE = datetime.now(UTC)


@pytest.fixture
def tags(application):
    return application.containers["tags"].api()


@pytest.fixture
def users(application):
    return application.containers["users"].api()


@pytest.fixture
async def ann(database):
    return await UserFactory.saved()


@pytest.fixture
async def change_by(database):
    """How a test gets a change: `change_by(principal)`."""
    async with database.unit_of_work() as unit:
        yield lambda principal=None: Change(unit, principal)


class TestHoldLive:
    async def test_of_live_rows_alone_is_true(self, users, ann, change_by):
        gone = await UserFactory.saved(deleted_at=GONE)
        change = change_by()
        assert await users.hold_live(change, [ann.id])
        assert await users.hold_live(change, [ann.id, ann.id])
        assert await users.hold_live(change, [])
        assert not await users.hold_live(change, [ann.id, gone.id])
        assert not await users.hold_live(change, [uuid7()])

    async def test_allows_nothing(self, users, ann, change_by):
        change = change_by(Principal(ann.id))
        await users.hold_live(change, [ann.id])
        assert change.permissions == []


class InvitationsApi(Api):
    resource = InvitationRepository


class TestAllowed:
    async def test_is_none_to_be_changed_of_what_nobody_may_change(self, application, ann, change_by):
        """Who hangs parts on it is told that they may not, instead of a fault of ours."""
        project = await ProjectFactory.saved(owner_id=ann.id)
        row = await InvitationFactory.saved(project_id=project.id, inviter_id=ann.id, email="x@example.com")
        change, invitations = change_by(Principal(ann.id)), InvitationsApi(application.kernel.extensions())
        assert await invitations.allowed(change, [row.id], CHANGE) == frozenset()
        with pytest.raises(InvitationForbidden):
            await invitations.demand(change, row.id, CHANGE)

    @pytest.fixture
    async def of_bob(self, ann):
        """Tags of somebody else's: one that Ann does not see, and one that is on a project of hers."""
        bob = await UserFactory.saved()
        unseen, seen = [await TagFactory.saved(owner_id=bob.id) for _ in range(2)]
        project = await ProjectFactory.saved(owner_id=ann.id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=seen.id)
        return unseen.id, seen.id

    async def test_gives_the_rows_on_which_the_caller_may_do_it(self, tags, ann, of_bob, change_by):
        own = (await TagFactory.saved(owner_id=ann.id)).id
        ids = [own, *of_bob, uuid7()]
        assert await tags.allowed(change_by(Principal(ann.id)), ids, "change") == {own}
        assert await tags.allowed(change_by(Principal(ann.id, is_admin=True)), ids, "change") == {own, *of_bob}

    async def test_gives_all_that_the_caller_sees_when_it_is_to_read(self, tags, ann, of_bob, change_by):
        unseen, seen = of_bob
        assert await tags.allowed(change_by(Principal(ann.id)), [unseen, seen], "read") == {seen}

    async def test_gives_no_deleted_row(self, tags, ann, change_by):
        gone = await TagFactory.saved(owner_id=ann.id, deleted_at=GONE)
        assert await tags.allowed(change_by(Principal(ann.id)), [gone.id], "change") == frozenset()

    async def test_is_noted_in_the_change(self, tags, ann, of_bob, change_by):
        """A replay under an idempotency key is checked against it."""
        own = [(await TagFactory.saved(owner_id=ann.id)).id for _ in range(2)]
        change = change_by(Principal(ann.id))
        await tags.allowed(change, [*reversed(own), *of_bob], "change")
        assert change.permissions == [Permission("tags", "change", id) for id in own]

    async def test_is_for_a_session_that_is_alive(self, tags, ann, database, change_by):
        own = await TagFactory.saved(owner_id=ann.id)
        at = datetime.now(UTC)
        session = UserSession(user_id=ann.id, created_at=at, expires_at=at + timedelta(hours=1))
        async with database.orm() as orm:
            orm.add(session)
        assert await tags.allowed(change_by(Principal(ann.id, session.id)), [own.id], "change") == {own.id}
        for ids in ([own.id], []):
            with pytest.raises(InvalidToken):
                await tags.allowed(change_by(Principal(ann.id, uuid7())), ids, "change")

    async def test_knows_the_policys_actions_alone(self, tags, ann, change_by):
        with pytest.raises(KeyError):
            await tags.allowed(change_by(Principal(ann.id)), [], "sell")


class TestWhatIsHeld:
    """On a database that really locks."""

    @pytest.fixture
    async def elsewhere(self, settings):
        """A database of its own with a row of each resource, and their id; and another connection to it."""
        id = uuid7()
        with clone("api") as url:
            database = Database(settings.model_copy(update={"database_url": url}))
            async with await psycopg.AsyncConnection.connect(url, cursor_factory=psycopg.AsyncClientCursor) as other:
                await other.execute(ROWS, {"id": id})
                await other.commit()
                yield database, id, other
            await database.close()

    @pytest.mark.parametrize("way", ["hold_live", "allowed"])
    @pytest.mark.parametrize(("module", "passes"), [("users", True), ("projects", False), ("tags", False)])
    async def test_cannot_be_deleted_meanwhile(self, application, elsewhere, module, passes, way):
        """Neither after a lock, nor along with others by a plain update. That passes where a lock always comes first:
        an account that is held can sign in.
        """
        database, id, other = elsewhere
        api = application.containers[module].api()
        locked = f"SELECT FROM {module} FOR UPDATE NOWAIT"
        async with database.unit_of_work() as unit:
            change = Change(unit, Principal(id))
            assert await (api.hold_live(change, [id]) if way == "hold_live" else api.allowed(change, [id], "read"))
            assert await can(other, locked) is False
            assert await can(other, f"SELECT FROM {module} FOR NO KEY UPDATE NOWAIT") is passes
        assert await can(other, locked) is True

    def test_is_locked_in_the_order_of_the_ids(self, tags):
        """So that two changes do not wait for each other."""
        assert tags._live.text.endswith(b"ORDER BY tags.id FOR SHARE OF tags")


class TestDeleteAlong:
    async def test_takes_the_live_rows_of_the_rows_of_one_deletion(self, change_by):
        """Each under that deletion's id; what went before keeps its own."""
        here, other = [await UserFactory.saved(deleted_at=GONE, deletion_id=uuid7()) for _ in range(2)]
        for owner in (here, other, await UserFactory.saved()):
            await TagFactory.saved(owner_id=owner.id)
        before = await TagFactory.saved(owner_id=here.id, deleted_at=GONE, deletion_id=uuid7())
        change = change_by()
        assert here.deletion_id is not None
        await Verbs(Tag).delete_along(change, "owner_id", [here.deletion_id])
        deleted = select(Tag.owner_id, Tag.deletion_id).where(Tag.deleted_at.is_not(None)).order_by(Tag.id)
        found = await change.unit.execute(Statement(deleted), {})
        assert found == [(here.id, here.deletion_id), (here.id, before.deletion_id)]

    async def test_takes_the_rows_of_many_deletions_each_under_its_own_id(self, change_by):
        """So that each of many that are deleted at once comes back with its own, and nothing of the others."""
        owners, change = [await UserFactory.saved() for _ in range(3)], change_by()
        tags = {owner.id: (await TagFactory.saved(owner_id=owner.id)).id for owner in owners}
        deletions = await VerbsOnMany(User).delete_each(change, [owner.id for owner in owners[:2]])
        await Verbs(Tag).delete_along(change, "owner_id", deletions)
        found = await change.unit.execute(Statement(select(Tag.id, Tag.deletion_id)), {})
        expected = dict(zip([owner.id for owner in owners], [*deletions, None], strict=True))
        assert len({*deletions}) == 2
        assert dict(found) == {tags[owner]: deletion for owner, deletion in expected.items()}


async def can(connection, statement):
    """Whether a statement finds no lock in its way."""
    try:
        await connection.execute(statement)
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        await connection.rollback()
    return True
