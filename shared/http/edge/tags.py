"""The names of operations in the OpenAPI document, and of the groups that they are in."""

from collections.abc import Collection

from fastapi.routing import APIRoute


class Tag(str):
    """The name of a group of operations, with a paragraph about it, and what keys may do there."""

    __slots__ = ("about", "keys")
    about: str
    keys: Collection[str] | None

    def __new__(cls, name: str, about: str, keys: Collection[str] | None = ()) -> "Tag":
        """`about` is Markdown. `keys` are `read`, `write`, both or neither; None: each part of it says so itself."""
        tag = super().__new__(cls, name)
        tag.about, tag.keys = about, keys
        return tag


def operation_id(route: APIRoute) -> str:
    """`projects_create`, which becomes the name of a method in a generated client."""
    return "_".join([*(str(tag).replace("-", "_") for tag in route.tags[:1]), route.name])
