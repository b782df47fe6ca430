"""The scaffold: `trellis module new` writes a module that is whole, and little."""

from app.development.scaffold.command import new_command
from app.development.scaffold.fields import KINDS, FieldError, NewField
from app.development.scaffold.names import singular

__all__ = ["KINDS", "FieldError", "NewField", "new_command", "singular"]
