"""Projections: the JSON that PostgreSQL writes is the document that the schema declares."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Interval, MetaData, insert, literal, select, text
from sqlmodel import Field, SQLModel

from shared.extensions import ExtensionPoint, Extensions
from shared.reads.projection import WHOLE, Derived, Document, Each, Many, One, OnRequest, Projector, View
from shared.rows import choice


class Scratch(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData()


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Shelf(Scratch, table=True):
    __tablename__ = "scratch_shelves"
    id: UUID = Field(primary_key=True)
    label: str
    deleted_at: datetime | None = None


class Book(Scratch, table=True):
    __tablename__ = "scratch_books"
    id: UUID = Field(primary_key=True)
    shelf_id: UUID | None = Field(foreign_key="scratch_shelves.id")
    title: str
    note: str | None
    pages: int = Field(sa_column_kwargs={"nullable": False})
    price: Decimal | None
    weight: float
    on_loan: bool | None
    colour: Colour = Field(sa_type=choice(Colour))
    bought_at: datetime
    printed_on: date | None


class Author(Scratch, table=True):
    __tablename__ = "scratch_authors"
    id: UUID = Field(primary_key=True)
    name: str
    deleted_at: datetime | None = None


class BookAuthor(Scratch, table=True):
    __tablename__ = "scratch_book_authors"
    book_id: UUID = Field(foreign_key="scratch_books.id", primary_key=True)
    author_id: UUID = Field(foreign_key="scratch_authors.id", primary_key=True)


class ShelfRead(Document, of=Shelf):
    id: UUID
    label: str


class AuthorRead(Document, of=Author):
    id: UUID
    name: str


class BookRead(Document, of=Book):
    id: UUID
    title: str
    note: str | None
    pages: int
    price: Decimal | None
    weight: float
    on_loan: bool | None
    colour: Colour
    bought_at: datetime
    printed_on: date | None
    shelf: Annotated[ShelfRead | None, One("shelf_id")]
    authors: Annotated[list[AuthorRead], Many(BookAuthor, order_by="name")]


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
BOOKS = st.fixed_dictionaries(
    {
        "id": st.uuids(),
        "shelf_id": st.none(),
        "title": TEXT,
        "note": st.none() | TEXT,
        "pages": st.integers(-(2**31), 2**31 - 1),
        "price": st.none()
        | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**11), max_value=10**11),
        "weight": st.floats(allow_nan=False, allow_infinity=False),
        "on_loan": st.none() | st.booleans(),
        "colour": st.sampled_from(Colour),
        "bought_at": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()).map(  # noqa: DTZ001
            # Python holds no time of the hour that is there twice equal to a time of another zone (PEP 495).
            lambda at: at.astimezone(UTC)
        ),
        "printed_on": st.none() | st.dates(),
    }
)


@pytest.fixture
async def connection(database):
    async with database.orm() as session:
        connection = await session.connection()
        await connection.run_sync(Scratch.metadata.create_all)
        yield connection


async def document(connection, kind, id, extensions=None, view=WHOLE) -> bytes:
    projector = Projector(extensions or Extensions(), timedelta(days=30))
    statement = select(projector.json(kind, kind.rows, view)).where(kind.rows.c.id == id)
    found: bytes = (await connection.execute(statement)).scalar_one()
    return found


def a_book(**columns):
    blank = {"note": None, "pages": 1, "price": None, "weight": 0.5, "on_loan": None, "colour": Colour.RED}
    dates = {"bought_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "printed_on": None}
    return {"id": uuid4(), "shelf_id": None, "title": "x"} | blank | dates | columns


class TestADocument:
    @given(book=BOOKS)
    @settings(max_examples=150)
    async def test_equals_what_pydantic_would_have_written_for_any_row(self, connection, book):
        async with connection.begin_nested() as savepoint:
            await connection.execute(insert(Book).values(**book))
            written = await document(connection, BookRead, book["id"])
            await savepoint.rollback()
        expected = BookRead(shelf=None, authors=[], **{k: v for k, v in book.items() if k != "shelf_id"})
        assert BookRead.model_validate_json(written) == expected
        plain = json.loads(written)
        assert list(plain) == list(BookRead.model_fields)
        assert isinstance(plain["bought_at"], str)
        assert datetime.fromisoformat(plain["bought_at"]).utcoffset().total_seconds() == 0

    async def test_is_written_without_white_space_and_in_the_schemas_order(self, connection):
        book = a_book(id=UUID(int=7), title='a "b"\n')
        await connection.execute(insert(Book).values(**book))
        assert await document(connection, BookRead, book["id"]) == (
            b'{"id":"00000000-0000-0000-0000-000000000007","title":"a \\"b\\"\\n","note":null,"pages":1,"price":null,'
            b'"weight":0.5,"on_loan":null,"colour":"red","bought_at":"2026-01-02T03:04:05.000006+00:00",'
            b'"printed_on":null,"shelf":null,"authors":[]}'
        )


class TestOne:
    async def test_embeds_the_row_that_a_column_points_to(self, connection):
        shelf, book = {"id": uuid4(), "label": "top"}, a_book()
        await connection.execute(insert(Shelf).values(**shelf))
        await connection.execute(insert(Book).values(**book | {"shelf_id": shelf["id"]}))
        found = BookRead.model_validate_json(await document(connection, BookRead, book["id"]))
        assert found.shelf == ShelfRead(**shelf)

    async def test_is_null_when_that_row_is_deleted(self, connection):
        shelf = {"id": uuid4(), "label": "top", "deleted_at": datetime.now(UTC)}
        book = a_book(shelf_id=shelf["id"])
        await connection.execute(insert(Shelf).values(**shelf))
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, BookRead, book["id"]))["shelf"] is None


class TestMany:
    async def test_embeds_the_linked_rows_in_order_without_the_deleted_and_without_white_space(self, connection):
        book = a_book()
        await connection.execute(insert(Book).values(**book))
        for n, (name, deleted_at) in enumerate([("b", None), ("a", None), ("c", datetime.now(UTC)), ("a", None)]):
            author = {"id": UUID(int=n), "name": name, "deleted_at": deleted_at}
            await connection.execute(insert(Author).values(**author))
            await connection.execute(insert(BookAuthor).values(book_id=book["id"], author_id=author["id"]))
        written = await document(connection, BookRead, book["id"])
        authors = json.loads(written)["authors"]
        assert [(author["name"], UUID(author["id"]).int) for author in authors] == [("a", 1), ("a", 3), ("b", 0)]
        assert b"},{" in written


class ShelfWithBooks(Document, of=Shelf):
    id: UUID
    label: str
    books: Annotated[list[BookRead] | None, Each("shelf_id", ("title",)), OnRequest] = None


class TestEach:
    async def test_embeds_the_rows_that_name_this_one(self, connection):
        shelf = {"id": uuid4(), "label": "top"}
        await connection.execute(insert(Shelf).values(**shelf))
        for title in ("b", "a"):
            await connection.execute(insert(Book).values(**a_book(title=title, shelf_id=shelf["id"])))
        asked = View(include=frozenset({"books"}))
        found = json.loads(await document(connection, ShelfWithBooks, shelf["id"], view=asked))
        assert [book["title"] for book in found["books"]] == ["a", "b"]


class TestAView:
    async def test_leaves_out_what_was_not_asked_for(self, connection):
        shelf = {"id": uuid4(), "label": "top"}
        await connection.execute(insert(Shelf).values(**shelf))
        assert list(json.loads(await document(connection, ShelfWithBooks, shelf["id"]))) == ["id", "label"]
        some = View(fields=frozenset({"label"}))
        assert await document(connection, ShelfWithBooks, shelf["id"], view=some) == b'{"label":"top"}'

    async def test_of_the_trash_tells_when_the_row_goes_for_good(self, connection):
        shelf = {"id": uuid4(), "label": "top", "deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}
        await connection.execute(insert(Shelf).values(**shelf))
        found = json.loads(await document(connection, ShelfWithBooks, shelf["id"], view=View(trash=True)))
        assert (found["deleted_at"], found["purge_at"]) == ("2026-01-01T00:00:00+00:00", "2026-01-31T00:00:00+00:00")


class TestADuration:
    @pytest.mark.parametrize("style", ["postgres", "iso_8601", "sql_standard", "postgres_verbose"])
    @pytest.mark.parametrize(
        ("lasts", "told"),
        [
            (timedelta(days=1, hours=2, minutes=30), "P1DT2H30M"),
            (-timedelta(days=1, hours=2, seconds=0.25), "-P1DT2H0.25S"),
            (timedelta(days=400, microseconds=1), "P400DT0.000001S"),
            (timedelta(days=7), "P7D"),
            (timedelta(seconds=600), "PT10M"),
            (timedelta(0), "PT0S"),
            (timedelta.max, "P999999999DT23H59M59.999999S"),
            (None, None),
        ],
    )
    async def test_is_written_as_iso_8601_says_whatever_the_session_does(self, connection, style, lasts, told):
        class Timed(Document, of=Book):
            id: UUID
            lasts: Annotated[timedelta | None, Derived(lambda _rows, _extensions: literal(lasts, Interval()))]

        await connection.execute(text(f"SET LOCAL intervalstyle = {style}"))
        book = a_book()
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, Timed, book["id"]))["lasts"] == told


class TestADecimal:
    async def test_is_a_string_with_all_its_digits(self, connection):
        price = Decimal("12345678901234567890.10")
        book = a_book(price=price)
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, BookRead, book["id"]))["price"] == str(price)

    async def test_is_a_number_where_the_document_says_float(self, connection):
        class Rough(Document, of=Book):
            id: UUID
            price: float | None

        book = a_book(price=Decimal("1.50"))
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, Rough, book["id"]))["price"] == 1.5


class TestComputed:
    async def test_gives_the_value_of_an_expression_over_the_row(self, connection):
        class Measured(Document, of=Book):
            id: UUID
            double: Annotated[int, Derived(lambda books, _: books.c.pages * 2)]

        book = a_book(pages=21)
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, Measured, book["id"]))["double"] == 42

    async def test_may_sum_up_what_other_modules_contribute(self, connection):
        point: ExtensionPoint[object] = ExtensionPoint("books.extras")

        class Extended(Document, of=Book):
            id: UUID
            extras: Annotated[int, Derived(lambda books, ext: sum((f(books) for f in ext[point]), literal(0)))]

        book = a_book(pages=5)
        await connection.execute(insert(Book).values(**book))
        assert json.loads(await document(connection, Extended, book["id"]))["extras"] == 0
        two = Extensions([(point, lambda books: books.c.pages), (point, lambda _: literal(1))])
        assert json.loads(await document(connection, Extended, book["id"], two))["extras"] == 6
