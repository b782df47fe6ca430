"""A module that starts, and of which only the assembled application tells what is wrong."""

SPOILED = {
    "__init__.py": "",
    "models.py": """
        from sqlalchemy import Index
        from sqlmodel import Field

        from shared.rows import Model, Resource


        class Spoil(Model, Resource, table=True):
            __tablename__ = "spoils"
            __table_args__ = (Index("uq_spoils_text", "text", unique=True),)  # a rule

            text: str = Field(max_length=100)
    """,
    "errors.py": """
        from shared.errors import Conflict, NotFound


        class SpoilNotFound(NotFound):  # an error
            '''Nobody answers it.'''


        class SpoilTooLong(Conflict, constraint="ck_spoils_text"):  # of no rule
            '''There is no such rule.'''
    """,
    "repository.py": """
        from sqlalchemy import null

        from modules.spoils.errors import SpoilNotFound
        from modules.spoils.models import Spoil
        from modules.spoils.schemas import SPOILS
        from shared.auth import Policy
        from shared.writes import Repository


        POLICY = Policy(role=lambda spoils, _: null(), listed=lambda spoils, _: (), allowed={})


        class SpoilRepository(Repository[Spoil]):  # of nobody
            model = Spoil
            collection = SPOILS
            policy = POLICY
            absent = SpoilNotFound
    """,
    "service.py": """
        from dataclasses import dataclass

        from shared.events import Event


        @dataclass(frozen=True)  # unheard
        class Spoiled(Event):
            '''Nobody publishes it.'''


        class SpoilService:
            async def hear(self, change, event: Spoiled) -> None:  # unwired
                '''Nobody calls it.'''
    """,
    "container.py": """
        from dependency_injector import containers, providers

        from modules.spoils.service import SpoilService


        class SpoilsContainer(containers.DeclarativeContainer):
            kernel = providers.DependenciesContainer()
            service = providers.Factory(SpoilService)
    """,
    "schemas.py": """
        from uuid import UUID

        from pydantic import BaseModel

        from modules.spoils.models import Spoil
        from shared.reads import Collection, Document


        class SpoilRead(Document, of=Spoil):
            id: UUID
            text: str


        SPOILS = Collection(SpoilRead)


        class Card(BaseModel):
            password_hash: str
    """,
    "router.py": """
        from modules.spoils.schemas import Card
        from shared.http.routes import Caller, PublicChange, operation, resource_router

        router = resource_router("/spoils")


        @router.get("")  # of secrets
        async def card(caller: Caller) -> Card:
            '''Show a card.'''
            raise NotImplementedError


        @router.delete("", status_code=204)
        @operation(public=True)  # by anybody
        async def wipe(change: PublicChange) -> None:
            '''Delete all.'''
    """,
    "contributions.py": """
        from sqlalchemy import func, select

        from modules.users.api import UserSummary
        from shared.rows import Model, table_of
        from shared.wire import Statement

        SEEN = {"users": UserSummary.rows}
        RENAME = Statement(SEEN["users"].update().values(full_name="x"))  # of a neighbour


        def counted(tags):
            users = Model.metadata.tables["users"]
            return select(func.count(users.c.password_hash)).where(users.c.email != "").scalar_subquery()
    """,
    "module.py": """
        from modules.spoils import models as models, repository as repository
        from modules.spoils.container import SpoilsContainer
        from modules.spoils.contributions import counted
        from modules.spoils.router import router
        from modules.tags.api import project_counts  # of others
        from shared.manifest import Module

        module = Module(
            name="spoils",
            requires=("users", "tags"),
            container=SpoilsContainer,
            router=router,
            extends={project_counts: counted},
        )
    """,
}

TOLD = {
    "a rule": "Nothing tells a client of uq_spoils_text: an error says `class …(Conflict, constraint=",
    "an error": "No operation says that it answers spoil_not_found: give what calls its raiser a type",
    "of no rule": "SpoilTooLong is the error of ck_spoils_text, which is no rule of a table: name one that is.",
    "of nobody": "SpoilRepository is not among its manifest's `resources`: add it",
    "unheard": "Spoiled is not among what its manifest `publishes`: add it, or do without it.",
    "unwired": "SpoilService.hear takes an event and handles none: name it in its manifest's `handles`.",
    "of secrets": "Card shows password_hash, as a secret column is called. Leave it out.",
    "by anybody": "wipe lets anybody change something: ask who calls, or say here why not: `# check: …`.",
    "of a neighbour": "RENAME changes rows of users, a table of 'users': have its Api do that.",
    "of others": "What 'spoils' adds to tags.project_counts shows users.password_hash, which is secret. Leave it out.",
}
"""By the remark at the end of the line: what is said of it."""
