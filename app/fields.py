"""The names of fields: which of them no resource can have."""

import re

from pydantic import BaseModel

from shared.manifest import ManifestError, Module
from shared.reads import ALLOWED_ACTIONS, Document
from shared.rows import Resource, table_of
from shared.schemas import Patch

_OF_DOCUMENTS = {"rows", ALLOWED_ACTIONS, "deleted_at", "purge_at"}
_OF_SQLALCHEMY = {"metadata", "registry"}
NOT_FOR_FIELDS = frozenset(
    name
    for name in {*dir(Patch), *dir(Document), *_OF_DOCUMENTS, *_OF_SQLALCHEMY}
    if name.startswith("model_") or not hasattr(BaseModel, name)
)
"""Names that a field cannot have: the classes of requests, of documents and of rows have them already."""
LONGEST_FIELD = 63
"""So many bytes has a name in PostgreSQL, which would cut off the rest."""


def demand_field_names(module: Module) -> None:
    """Raises ManifestError for a resource with a field of a name that none can have."""
    for repository in module.resources:
        own = {column.name for column in table_of(repository.model).c} - Resource.model_fields.keys()
        for name in sorted(own):
            told = f"Module '{module.name}': a field of {repository.resource()} cannot be called '{name}'"
            if name in NOT_FOR_FIELDS or re.fullmatch("anon_[0-9]+", name):
                raise ManifestError(f"{told}, which the kernel, Pydantic or SQLAlchemy calls something of its own.")
            if len(name.encode()) > LONGEST_FIELD:
                raise ManifestError(f"{told}: PostgreSQL cuts off what is longer than {LONGEST_FIELD} bytes.")
