"""The names of operations in the OpenAPI document, and of the groups that they are in."""

from fastapi.routing import APIRoute


class Tag(str):
    """The name of a group of operations, with a paragraph about it."""

    __slots__ = ("about",)
    about: str

    def __new__(cls, name: str, about: str) -> "Tag":
        """`about` is Markdown."""
        tag = super().__new__(cls, name)
        tag.about = about
        return tag


def operation_id(route: APIRoute) -> str:
    """`projects_create`, which becomes the name of a method in a generated client."""
    return "_".join([*(str(tag).replace("-", "_") for tag in route.tags[:1]), route.name])
