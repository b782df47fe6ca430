"""Statements about the tables of others, transactions and connections."""

from tests.architecture.violations.violation import TAGS, Violation

STATEMENTS = {
    "SQL reads a neighbour's table": Violation(
        f"{TAGS}repository.py",
        """
        from sqlalchemy import text
        EMAILS = text("SELECT email FROM users")  # here
        """,
        "SQL names users, a table of 'users': take what it shows from its Summary, ask its Api for the rest",
    ),
    "SQL joins a neighbour's table, in small letters and quotes": Violation(
        f"{TAGS}repository.py",
        """
        STATEMENT = (
            'select name from tags '  # here
            'join "users" on users.id = owner_id'
        )
        """,
        "SQL names users",
    ),
    "SQL deletes a neighbour's rows by a driver's cursor": Violation(
        f"{TAGS}service.py",
        """
        async def wipe(cursor):
            await cursor.execute("delete from projects")  # here
        """,
        "SQL names projects, a table of 'projects'",
    ),
    "SQL writes the kernel's journal": Violation(
        f"{TAGS}service.py",
        'FORGET = "DELETE FROM journal WHERE true"  # here',
        "SQL names journal, a table of 'kernel'",
    ),
    "SQL is made of parts": Violation(
        f"{TAGS}repository.py",
        """
        from sqlalchemy import text
        def count(table):
            return text(f"SELECT count(*) FROM {table}")  # here
        """,
        "text() gets SQL made of parts: write a statement over the models, with bindparam for values.",
    ),
    "a neighbour's table is made up": Violation(
        f"{TAGS}repository.py",
        """
        import sqlalchemy
        USERS = sqlalchemy.table("users", sqlalchemy.column("email"))  # here
        """,
        "table('users') is a table of 'users': take what it shows from its Summary",
    ),
    "a neighbour's table is taken from the metadata": Violation(
        f"{TAGS}repository.py",
        """
        from modules.tags.models import Tag
        USERS = Tag.metadata.tables["users"]  # here
        """,
        "leads to every table: name your own by its model.",
    ),
    "a neighbour's table is taken from its api": Violation(
        f"{TAGS}repository.py",
        """
        from modules.users.api import UsersApi
        USERS = UsersApi.resource.model  # here
        """,
        "modules.users.api.UsersApi.resource leads into 'users': take what it shows from its Summary",
    ),
    "models of all are looked for": Violation(
        f"{TAGS}repository.py",
        """
        from shared.rows import Model
        USER = next(kind for kind in Model.__subclasses__() if kind.__name__ == "User")  # here
        """,
        "leads into other modules",
    ),
    "a neighbour's rows are changed by way of its Summary": Violation(
        f"{TAGS}repository.py",
        """
        from sqlalchemy import update
        from modules.users.api import UserSummary
        RENAME = update(UserSummary.rows).values(full_name="x")  # here
        """,
        "update() is of rows of 'users': have its Api do that.",
    ),
    "a neighbour's rows are changed by SQLModel's session": Violation(
        f"{TAGS}service.py",
        """
        from sqlalchemy import delete
        from modules.users.api import UserSummary
        async def wipe(change):
            async with change.unit.orm() as session:
                await session.execute(delete(UserSummary.rows))  # here
        """,
        "delete() is of rows of 'users'",
    ),
    "a relationship leads to a neighbour": Violation(
        f"{TAGS}models.py",
        """
        from sqlmodel import Relationship
        class Label(Model, table=True):
            owner: "User" = Relationship()  # here
        """,
        "A relationship leads to User of 'users': keep its id, and embed its Summary by One.",
    ),
    "a foreign key refers to a module that is not required": Violation(
        f"{TAGS}models.py",
        """
        class Label(Model, table=True):
            project_id: UUID = Field(foreign_key="projects.id")  # here
        """,
        "name 'projects' in `requires` of modules/tags/module.py, or do without.",
    ),
    "a service commits": Violation(
        f"{TAGS}service.py",
        """
        async def keep(session):
            await session.commit()  # here
        """,
        ".commit() is called: no module ends a transaction, the edge does",
    ),
    "a service rolls back": Violation(
        f"{TAGS}service.py",
        """
        async def undo(session):
            await session.rollback()  # here
        """,
        "raise an error to undo it.",
    ),
    "a service commits by SQL": Violation(
        f"{TAGS}service.py",
        """
        async def keep(change):
            await change.unit.command("COMMIT")  # here
        """,
        "COMMIT is executed: no module ends a transaction",
    ),
    "a service opens a unit of work": Violation(
        f"{TAGS}service.py",
        """
        async def apart(database):
            async with database.unit_of_work() as unit:  # here
                return unit
        """,
        "take the change that the endpoint gets.",
    ),
    "a connection is opened": Violation(
        f"{TAGS}service.py",
        """
        import psycopg
        def connect(url):
            return psycopg.connect(url)  # here
        """,
        "psycopg.connect is used: statements go through the verbs, `change.unit` or `Database.read`",
    ),
    "an engine is made": Violation(
        f"{TAGS}service.py",
        """
        from sqlalchemy import create_engine
        ENGINE = create_engine("postgresql://")  # here
        """,
        "sqlalchemy.create_engine is used: statements go through the verbs",
    ),
    "a container reaches into a neighbour's": Violation(
        f"{TAGS}container.py",
        "class Planted:\n    users = providers.Dependency()\n    rows = users.provided._rows  # here",
        "a container gets the api of 'users', and passes it whole.",
    ),
    "a neighbour's container is imported": Violation(
        f"{TAGS}container.py",
        "from modules.users.container import UsersContainer  # here",
        "modules.users.container is imported: take what it needs from modules.users.api",
    ),
    "all repositories are asked of the kernel": Violation(
        f"{TAGS}container.py",
        "def planted(kernel):\n    return kernel.repositories  # here",
        "holds the repositories of all modules: ask the Api of the one that you need.",
    ),
}
