"""Requests and documents of services."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from modules.users.models import User
from shared.reads import Collection, Document
from shared.schemas import Input, Line


class ServiceRead(Document, of=User):
    """The account of a service."""

    id: UUID
    owner_id: UUID = Field(description="The person who answers for it.")
    full_name: str = Field(description="What it is called.")
    is_active: bool = Field(description="Whether it may act: an administrator can stop it.")
    created_at: datetime
    updated_at: datetime
    version: int


SERVICES = Collection(ServiceRead)


class ServiceCreate(Input):
    """The account of a service."""

    full_name: Annotated[Line, Field(description="What it is called, on one line.", examples=["Importer of orders"])]
