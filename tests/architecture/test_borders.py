"""What a module shows of its rows to others, and what no document may show."""

import dataclasses
import importlib
from importlib.util import find_spec
from typing import Annotated
from uuid import UUID

import pytest
from sqlalchemy import column, func, select, table

from app.container import compose
from modules.tags.api import TagSummary
from modules.tags.models import Tag
from modules.users.api import UserSummary
from modules.users.models import User
from modules.users.schemas import UserRead
from shared.manifest import ManifestError, discover
from shared.reads.borders import faults
from shared.reads.projection import Derived, Document, One
from shared.reads.summary import Summary
from shared.rows.models import table_of

MODULES = [module.name for module in discover()]
HASHES = select(table_of(User).c.id, func.lower(table_of(User).c.password_hash).label("text")).subquery()


def published():
    """The documents in the api of every module."""
    paths = [f"modules.{name}.api" for name in MODULES]
    apis = [importlib.import_module(path) for path in paths if find_spec(path)]
    return [
        item for api in apis for item in vars(api).values() if isinstance(item, type) and issubclass(item, Document)
    ]


def below(kind):
    return [other for document in kind.__subclasses__() for other in (document, *below(document))]


class TestASummary:
    @pytest.mark.parametrize("summary", [kind for kind in published() if kind is not Summary])
    def test_is_all_that_a_module_publishes_of_its_rows(self, summary):
        """The declared columns, the id and whether the row is live."""
        assert issubclass(summary, Summary)
        assert set(summary.rows.c.keys()) == {*summary.model_fields, "id", "deleted_at"}
        assert set(summary.rows.alias().c.keys()) == set(summary.rows.c.keys())

    def test_of_accounts_has_no_password(self):
        """Nor the address, nor the role."""
        assert set(UserSummary.rows.c.keys()) == {"id", "full_name", "deleted_at"}

    def test_is_the_table_to_postgresql(self):
        """So a page costs the same: there is no subquery to plan."""
        assert str(select(TagSummary.rows.c.name)) == "SELECT tags.name \nFROM tags"

    def test_is_of_a_table(self):
        """An alias would bring all of its columns."""
        with pytest.raises(TypeError, match="Card is a summary of what is no table"):

            class Card(Summary, of=table_of(User).alias()):
                email: str

    def test_keeps_the_types_of_its_columns(self):
        """Values are sent and compared as the table's own are."""
        for found in TagSummary.rows.c:
            own = table_of(Tag).c[found.name]
            assert (found.type, found.nullable) == (own.type, own.nullable)


class TestTheModules:
    @pytest.mark.parametrize("package", ["shared", *(f"modules.{name}" for name in MODULES)])
    def test_show_nothing_that_is_not_theirs_to_show(self, package):
        """As they stand."""
        assert list(faults(package)) == []


@pytest.fixture(autouse=True)
def _planted():
    """What a test plants belongs to no module when it has ended."""
    before = {*below(Document)}
    yield
    for document in {*below(Document)} - before:
        document.__module__ = __name__


class TestADocument:
    def test_that_shows_a_secret_is_refused(self):
        """Also in its own module."""

        class Card(Document, of=User):
            __module__ = "modules.users.schemas"
            id: UUID
            password_hash: str

        assert list(faults("modules.users")) == ["Card of modules.users shows users.password_hash, which is secret."]

    @pytest.mark.parametrize("rows", [HASHES, HASHES.alias()])
    def test_that_shows_a_secret_through_a_subquery_is_refused(self, rows):
        class Card(Document, of=rows):
            __module__ = "modules.spy.schemas"
            text: str

        assert "Card of modules.spy shows users.password_hash, which is secret." in faults("modules.spy")

    def test_that_computes_with_a_secret_is_refused(self):
        class Card(Document, of=UserSummary.rows):
            __module__ = "modules.spy.schemas"
            text: Annotated[str, Derived(lambda _users, _: func.lower(table_of(User).c.password_hash))]

        assert list(faults("modules.spy")) == ["Card of modules.spy shows users.password_hash, which is secret."]

    def test_that_is_a_summary_with_a_secret_is_refused(self):
        class Card(Summary, of=User):
            __module__ = "modules.users.api"
            password_hash: str

        assert list(faults("modules.users")) == ["Card of modules.users shows users.password_hash, which is secret."]

    def test_over_a_summary_of_ones_own_making_is_refused(self):
        """A table is published by its owner."""

        class Card(Summary, of=User):
            __module__ = "modules.spy.schemas"
            email: str

        assert list(faults("modules.spy")) == ["Card of modules.spy shows users.email, which 'users' does not publish."]

    def test_over_a_neighbours_summary_has_its_columns_alone(self):
        class Card(Document, of=UserSummary.rows):
            __module__ = "modules.spy.schemas"
            full_name: str
            password_hash: str

        assert list(faults("modules.spy")) == ["Card of modules.spy shows password_hash, which its rows do not have."]

    def test_that_extends_a_neighbours_summary_has_its_columns_alone(self):
        class Card(UserSummary):
            __module__ = "modules.spy.schemas"
            password_hash: str

        assert list(faults("modules.spy")) == ["Card of modules.spy shows password_hash, which its rows do not have."]

    @pytest.mark.parametrize(
        "rows", [User, table_of(User).alias(), table("users", column("id"), column("email"), column("deleted_at"))]
    )
    def test_over_a_neighbours_table_is_refused(self, rows):
        class Card(Document, of=rows):
            __module__ = "modules.spy.schemas"
            email: str

        assert list(faults("modules.spy")) == ["Card of modules.spy shows users.email, which 'users' does not publish."]

    def test_that_embeds_a_neighbours_other_document_is_refused(self):
        class Card(Document, of=UserSummary.rows):
            __module__ = "modules.spy.schemas"
            user: Annotated[UserRead, One("id")]

        assert "Card of modules.spy shows users.email, which 'users' does not publish." in faults("modules.spy")

    def test_over_and_of_what_is_published_is_not(self):
        """Aliases, subqueries and computed fields over a summary are fine."""
        tags = TagSummary.rows.alias()
        named = select(tags.c.id, func.upper(tags.c.name).label("name"), tags.c.deleted_at).subquery()

        class Card(Document, of=named):
            __module__ = "modules.spy.schemas"
            name: str
            length: Annotated[int, Derived(lambda rows, _: func.length(rows.c.name))]
            owner: Annotated[UserSummary, One("id")]

        assert list(faults("modules.spy")) == []


class TestTheStart:
    def test_stops_at_a_module_that_shows_what_is_not_its_own(self, settings):
        """With the sentence that names the document and the column."""
        spy = dataclasses.replace(discover()[0], name="spy", publishes=(), handles={}, extends={})

        class Card(Document, of=User):
            __module__ = "modules.spy.schemas"
            email: str

        with pytest.raises(ManifestError) as stopped:
            compose(settings, [*discover(), spy])
        assert str(stopped.value) == "Card of modules.spy shows users.email, which 'users' does not publish."
