"""Collections: what a module declares about the list of a resource, and what a request asks of it.

A request has a shape (which filters with which operators, which sort, which fields) and values. A shape is compiled to
a statement once; the values are its parameters.
"""

from collections.abc import Callable, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from sqlalchemy import ColumnElement, FromClause

from shared.reads.projection import Document, View

DEFAULT_ROWS = 20
RELEVANCE = "relevance"
"""The sort that has no column: how well a row matches the search."""

Sort = tuple[str, bool]
"""A field, and whether it descends."""


class Flat(str):
    """A sort whose pages cost the same at any depth and size: see `flat`."""

    __slots__ = ()


def flat(name: str) -> Flat:
    """Declare a sort that is to be read from an index, among a collection's `sorts`.

    The index has the column that says to what a row belongs, the field, and the id, of live rows. Each one makes a
    create dearer, and a change of the field: see `make bench-growth`. By other sorts all rows that the caller sees are
    sorted for a page.
    """
    return Flat(name)


@dataclass(frozen=True)
class Shape:
    """What a statement is compiled for."""

    view: View
    sort: tuple[Sort, ...]
    filters: tuple[tuple[str, str], ...] = ()
    """Field and operator of each filter; its value is the parameter `filter_<n>`."""
    custom: tuple[str, ...] = ()
    """The custom filters; the values of each are the parameter `custom:<name>`."""
    search: bool = False
    """Whether there is a parameter `q`."""
    limit: int = DEFAULT_ROWS
    count: str = "none"
    """`none`, `estimated` or `exact`."""
    deleted: str = "exclude"
    """`exclude`, `only` or `include`."""
    after: tuple[bool, ...] | None = None
    """For a further page: which of the sort values of the row before it are null."""
    groups: tuple[str, ...] = ()
    """Of totals: the fields that rows of a group have in common."""


@dataclass(frozen=True)
class ListQuery:
    """A request for a page."""

    shape: Shape
    values: Mapping[str, Any]
    cursor: str | None = None

    @cached_property
    def context(self) -> str:
        """What its cursor is bound to: everything that decides which rows there are, and their order."""
        shape = self.shape
        return repr((shape.sort, shape.filters, shape.custom, shape.deleted, sorted(self.values.items())))


@dataclass(frozen=True)
class CustomFilter:
    """A filter that is not a column's. A request may repeat it: all of the values must match."""

    condition: Callable[[FromClause, ColumnElement[Any]], ColumnElement[bool]]
    """Takes the rows, and the distinct values as an array of text."""
    description: str
    example: str = "x"
    """A value, for the OpenAPI document."""


@dataclass(frozen=True)
class Collection:
    """The list of a resource, as its module declares it, and its totals."""

    document: type[Document]
    filters: Names[str] = ()
    """Fields of the document; the type of each decides which operators it has."""
    sorts: Names[str] = ("created_at",)
    """Fields of the document; those that are to stay quick at any size as `flat`. The default sort is."""
    default_sort: tuple[Sort, ...] = (("created_at", True),)
    key: str = "id"
    """The column that breaks ties: unique among rows that are equal in the other sort columns."""
    search: str | None = None
    """The tsvector column that `q` searches."""
    custom: Mapping[str, CustomFilter] = field(default_factory=dict)
    groups: Names[str] = ()
    """The filters by which totals can be grouped: a client lists the rows of a group by its values."""
    sums: Names[str] = ()
    """The fields that totals add up: whole numbers, decimal numbers, durations. With neither, there are no totals."""
    paged: bool = True

    @property
    def flat_sorts(self) -> list[str]:
        """The sorts whose pages cost the same at any size."""
        default = [name for name, _ in self.default_sort]
        return [str(name) for name in self.sorts if isinstance(name, Flat) or [name] == default]

    @property
    def has_trash(self) -> bool:
        """Whether its rows know soft delete."""
        return "deleted_at" in self.document.rows.c

    @property
    def has_totals(self) -> bool:
        """Whether its rows are counted and added up."""
        return bool(self.groups or self.sums)

    def without_pages(self) -> Self:
        """The same in one piece, for an export."""
        return replace(self, paged=False)
