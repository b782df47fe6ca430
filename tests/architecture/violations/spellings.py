"""What a careless developer would write, in each of its common spellings; and ordinary code, of which nothing is told.

Each is a file of tags, by itself, or the upgrade of a migration.
"""

from tests.architecture.violations.migrations import MIGRATION

DIED = "def downgrade() -> None:\n    "

SPELLINGS = {
    "is imported: take what it needs from modules.users.api": [
        "import modules.users.api\nUSER = modules.users.models.User",
        "from modules.users.repository import *",
        "from modules import users\nUSER = users.models.User",
        "import modules\nUSER = modules.users.models.User",
    ],
    "modules.users.api does not offer": [
        "from modules.users.api import UserRepository",
        "from modules.users.api import User as Account",
        "from modules.users.api import *",
        "from modules.users import api\nROWS = api.UserRepository",
        "import modules.users.api\nROWS = modules.users.api.UserRepository",
    ],
    "import from shared.reads, its face": [
        "from shared import reads\nPAGE = reads.listing.Page",
        "import shared.reads\nPAGE = shared.reads.listing.Page",
    ],
    "no check sees what is loaded by its name": [
        "from builtins import __import__ as load\nUSERS = load('modules.users.models')",
        "import builtins\nUSERS = builtins.__import__('modules.users.models')",
        "import pydoc\nUSERS = pydoc.locate('modules.users.models')",
        "from pydantic import ImportString\nKIND: ImportString",
        "import importlib as i\nload = i.import_module",
        "globals()['X'] = 1",
    ],
    "leads to every table": [
        "MAPPERS = Tag.registry.mappers",
        "metadata = Tag.metadata",
    ],
    "leads into 'users'": [
        "from modules.users.api import UsersApi\nA = UsersApi\nROWS = A.resource",
        "from modules.users.api import UsersApi\ndef f(users: UsersApi): return type(users).resource",
        """
        from modules.users.api import UsersApi
        class S:
            def __init__(self, users: UsersApi): self.r = users.resource
        """,
        "from modules.users.api import UsersApi\ndef f(users: UsersApi): return users._rows",
        """
        from modules.users.api import UsersApi
        class S:
            def __init__(self, users: UsersApi): self._users = users
            def f(self): return self._users._rows
        """,
    ],
    "holds the repositories of all modules": [
        "def f(kernel): return kernel.provided.repositories",
    ],
    "SQL names users": [
        "from sqlalchemy import text\nq = 'select email '\nq += 'from users'\nS = text(q)",
        "from sqlalchemy import text\nTABLE = 'users'\nS = text('select email from ' + TABLE)",
        "from sqlalchemy import text\nTABLE = 'users'\nQ = f'select email from {TABLE}'\nS = text(Q)",
        "from sqlalchemy import text\ndef f(x): return text('select 1' if x else 'select 1 from users')",
        "from sqlalchemy import text\nS = text(q := 'select 1 from users')",
        "from sqlalchemy import text\nS = text(text='delete from users')",
        "from sqlalchemy import TextClause\nS = TextClause('delete from users')",
        "async def f(session): await session.exec('table users')",
        "Q = '(select email from users)'",
        "Q = '/* mine */ select email from users'",
        "Q = 'explain select email from users'",
        "Q = 'explain (analyze) select email from users'",
        "Q = 'with recursive x as (select id from users) select 1'",
        "Q = 'update only users as u set email = 1'",
        "Q = 'select email from %s' % 'users'",
        "Q = 'select email from {}'.format('users')",
    ],
    "SQL names projects": [
        """
        from sqlalchemy import text
        class R:
            TABLE = "projects"
            def f(self): return text(f"select 1 from {self.TABLE}")
        """,
    ],
    "SQL names procrastinate_jobs": ["Q = 'select * from procrastinate_jobs'"],
    "gets SQL made of parts": [
        "from sqlalchemy import text\ndef f(t): return text('select 1 from ' + t)",
        "from sqlalchemy import text\ndef f(t):\n    q = f'select 1 from {t}'\n    return text(q)",
        "from sqlalchemy import text\ndef f(t): return text('select 1 from %s' % t)",
        "from sqlalchemy import text\ndef f(q): return text(text=q)",
        "import sqlalchemy as sa\ndef f(t): return sa.table(t)",
        "import sqlalchemy as sa\ndef f(c): return sa.literal_column(c + ' desc')",
    ],
    "('users') is a table of 'users'": [
        "import sqlalchemy as sa\nNAME = 'users'\nUSERS = sa.table(NAME)",
        "import sqlalchemy as sa\nUSERS = sa.table('us' + 'ers')",
        "import sqlalchemy as sa\nUSERS = sa.Table(name='users', metadata=None)",
        "from sqlalchemy.sql.expression import TableClause\nUSERS = TableClause('users')",
    ],
    "no module ends a transaction": [
        "async def f(session): await session.begin()",
        "async def f(session):\n    async with session.begin_nested(): ...",
        "async def f(change): await change.unit.end()",
        "async def f(change): await change.unit.close()",
        "async def f(change): return change.unit._connection",
        "async def f(change):\n    async with change.unit.orm() as s: await s.commit()",
        "async def f(change):\n    async with change.unit.orm() as s:\n        done = s.commit\n        await done()",
        "END = 'COMMIT'\nasync def f(change): await change.unit.command(END)",
        "from sqlalchemy import text\nE = text('END')",
        "from sqlalchemy import text\nE = text('ABORT')",
        "from sqlalchemy import text\nE = text('SELECT 1; COMMIT')",
        "from sqlalchemy import text\nE = text('/* all */ commit')",
        "async def f(connection): await connection.execute('prepare transaction 1')",
    ],
    "statements go through the verbs": [
        "from sqlalchemy.engine import create_engine\nE = create_engine('x')",
        "from sqlalchemy.orm.session import Session\nS = Session()",
        "from sqlalchemy.orm import scoped_session\nS = scoped_session(None)",
        "from sqlmodel.ext.asyncio.session import AsyncSession\nS = AsyncSession()",
        "import sqlalchemy as sa\nE = sa.create_engine('x')",
        "from shared.wire import Database\nD = Database()",
        "import pg8000\nC = pg8000.connect()",
        "import aiopg\nC = aiopg.connect()",
    ],
    "is of rows of 'users'": [
        "import sqlalchemy as sa\n_tags, _users = 1, UserSummary.rows\nS = sa.update(_users).values(x=1)",
        "import sqlalchemy as sa\nrows = UserSummary.rows\nS = sa.delete(rows)",
        "import sqlalchemy as sa\nrows = UserSummary.rows.alias()\nS = sa.delete(rows)",
        "import sqlalchemy as sa\ndef f():\n    rows = UserSummary.rows\n    return sa.delete(rows)",
        """
        import sqlalchemy as sa
        class R:
            def __init__(self): self._users = UserSummary.rows
            def f(self): return sa.delete(self._users)
        """,
        """
        import sqlalchemy as sa
        class R:
            rows = UserSummary.rows
            def f(self): return sa.delete(self.rows)
        """,
        "import sqlalchemy as sa\nfrom typing import cast\nS = sa.delete(cast('sa.Table', UserSummary.rows))",
        "S = UserSummary.rows.update()",
        "S = UserSummary.rows.delete().where(True)",
        "S = UserSummary.rows.insert()",
        "import sqlalchemy as sa\nS = sa.Delete(UserSummary.rows)",
        "from sqlalchemy.dialects.postgresql import insert\nS = insert(UserSummary.rows)",
        "from sqlalchemy import delete as wipe\nS = wipe(table=UserSummary.rows)",
    ],
    "in `requires` of modules/tags/module.py": [
        "X = Field(foreign_key='projects' + '.id')",
        "P = 'projects'\nX = Field(foreign_key=f'{P}.id')",
        "X = owned_by(resource='projects')",
        "X = ForeignKeyConstraint(['a'], ['projects.id'])",
        "TARGET = 'projects.id'\nX = ForeignKey(TARGET)",
    ],
    "every other request waits meanwhile": [
        "from pathlib import Path\ndef f(path: Path): return path.open()",
        "from pathlib import Path\nX = Path('x').exists()",
        "from pathlib import Path\ndef f():\n    path = Path('x')\n    path.mkdir()",
        "import os\nX = os.listdir('.')",
        "from os import remove\ndef f(x): remove(x)",
        "import os\nX = os.path.exists('.')",
        "from os.path import getsize\nX = getsize('.')",
        "import tempfile\nX = tempfile.mkdtemp()",
        "import gzip\nX = gzip.open('x')",
        "import builtins\nX = builtins.open('x')",
        "import codecs\nX = codecs.open('x')",
        "def f(loop, x): return loop.run_until_complete(x)",
        "import asyncio\ndef f(x): return asyncio.Runner().run(x)",
        "from multiprocessing import Process\nX = Process()",
        "import os\nX = os.fork()",
        "import select\nX = select.select([], [], [])",
        "import queue\nX = queue.Queue()",
        "from time import sleep as wait\ndef f(): wait(1)",
    ],
    "a unit of work takes one statement after another": [
        "import asyncio\nasync def f(change, s): await asyncio.to_thread(change.unit.execute, s)",
        "import asyncio\nasync def f(change, r): await asyncio.gather(r.add(change), r.add(change))",
        "from asyncio import create_task\nasync def f(change, r): x = create_task(r.add(change))",
    ],
    "no request waits for another machine": [
        "import asyncio\nasync def f(): return await asyncio.open_connection('x', 1)",
        "from anyio import connect_tcp\nasync def f(): return await connect_tcp('x', 1)",
        "import xmlrpc.client\nX = xmlrpc.client.ServerProxy('x')",
        "import aiosmtplib\nX = aiosmtplib.SMTP()",
        "from pymongo import MongoClient\nX = MongoClient()",
        "from urllib import request\nX = request.urlopen('x')",
    ],
    "the container passes settings": [
        "import pydantic_settings\nclass S(pydantic_settings.BaseSettings): ...",
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings): ...",
        "from shared.settings import Settings\nX = Settings()",
        "import os\nX = os.environb",
    ],
    "changes while the application runs": [
        "class S:\n    seen = {}",
        "from typing import ClassVar\nclass S:\n    seen: ClassVar[list[str]] = []",
        "class S:\n    names = ['a']\n    def f(self): self.names.append('b')",
        "A, B = {}, {}",
        "A = B = []",
        "from itertools import count\nNEXT = count(1)",
    ],
    "raise a domain error": [
        "from fastapi.exceptions import HTTPException\ndef f(): raise HTTPException(404)",
        "import fastapi\ndef f(): raise fastapi.HTTPException",
        "from starlette.exceptions import HTTPException as Refused\ndef f(): raise Refused",
    ],
    "answer with a Document": [
        "from starlette.responses import JSONResponse\nX = JSONResponse({})",
        "from fastapi.responses import ORJSONResponse\nX = ORJSONResponse({})",
        "from fastapi.responses import FileResponse\nX = FileResponse('x')",
        "import starlette.responses as answers\nX = answers.RedirectResponse('x')",
        "from fastapi import Response\ndef f():\n    r = Response()\n    r.body = b''",
        "from fastapi import Response\ndef f(response: Response): response.body = b''",
        "from fastapi import Response\nclass Mine(Response): ...",
        "from fastapi import Response as R\nX = R(content='x')",
    ],
    "digest is a secret of 'users'": [
        "def f(rows): return rows.c.digest",
        "def f(rows): return rows.c['digest']",
        "import sqlalchemy as sa\nX = sa.column('digest')",
        "Q = 'select digest from tags'",
    ],
}
"""By what is said of it: files."""

_USERS = "users is a table of 'users'"
CHANGES = {
    f"{_USERS}: that one's own migration changes it": [
        'SQL = "UPDATE users SET x = 1"\nop.execute(SQL)',
        'for t in ("tags", "users"):\n    op.execute(f"UPDATE {t} SET x = 1")',
        'for t in ["users"]:\n    op.add_column(t, sa.Column("x", sa.String()))',
        'for t, c in {"users": "x"}.items():\n    op.drop_column(t, c)',
        'T = "users"\nop.add_column(T, sa.Column("x", sa.String()))',
        'for s in ["DELETE FROM users"]:\n    op.execute(s)',
        'op.execute("DELETE FROM {}".format("users"))',
        'op.execute("UPDATE " + "users" + " SET x = 1")',
        'op.execute("DELETE FROM %s" % "users")',
        'op.execute(dedent("DELETE FROM users"))',
        'op.get_bind().exec_driver_sql("DELETE FROM users")',
        'conn = op.get_bind()\nconn.exec_driver_sql("DELETE FROM users")',
        'op.execute(sa.DDL("ALTER TABLE users ADD x int"))',
        'op.execute(sa.TableClause("users").delete())',
        'op.invoke(sa.AddColumnOp("users", sa.Column("x")))',
        'o = op\no.add_column("users", sa.Column("x", sa.String()))',
        'op.create_foreign_key("fk", source_table="users", referent_table="tags")',
        'op.create_foreign_key("fk", "users", "tags", ["x"], ["id"])',
        "op.execute(\"DO $$ BEGIN EXECUTE 'DELETE FROM users'; END $$\")",
        'op.execute("DROP INDEX ix_users_email")',
        'op.drop_index("ix_users_email")',
        'op.drop_constraint(op.f("ck_users_email"), "tags")',
        "op.execute(\"SELECT trellis_journal('users', 'users', 'id', '{}')\")",
        'op.rename_table("users", "people")',
        'op.alter_column("users", "x", nullable=True)',
        'with op.batch_alter_table("users") as batch:\n    batch.drop_column("x")',
        'def wipe(table):\n    op.execute(f"DELETE FROM {table}")\nwipe("users")',
    ],
    "journal is a table of 'kernel': that one's own migration changes it": [
        'op.drop_table("journal")',
        'op.execute("TRUNCATE journal")',
    ],
    "This is about every table, also those of others: name your own.": [
        'op.execute("DROP SCHEMA public CASCADE")',
    ],
    "is imported, and will change": [
        "import app.container",
        "from shared.rows import Model",
        "from migrations.versions.users import users_0001_tables",
        'import importlib\nimportlib.import_module("modules.users.models")',
    ],
}
"""By what is said of it: upgrades."""

DOWN = {
    "downgrade() undoes nothing": [
        f"{DIED}return",
        f"{DIED}return None",
        f"{DIED}print('no')",
        f"{DIED}if False:\n        pass",
        f"{DIED}msg = 'no'\n    raise NotImplementedError(msg)",
        f"{DIED}op.drop_table('x')\n    raise NotImplementedError",
    ],
    "There is no downgrade()": ["downgrade = lambda: None"],
}
"""By what is said of it: ways down."""

ORDINARY = [
    "import hashlib\ndef f(b): return hashlib.sha256(b).digest()",
    "async def f(change, s): await change.unit.execute(s, {'digest': 1})",
    "TOLD = 'A digest is mailed every week.'",
    "class Card(BaseModel):\n    digest: str",
    "import click\n@click.command('remind', help='Remind users of tags.')\ndef remind(): ...",
    "import click\n@click.command('x', help='Select a tag FROM users of yours')\ndef x(): ...",
    "def f(job, plan):\n    job.run('projects')\n    plan.execute('users')",
    "TOLD = 'Select users to invite.'",
    "TOLD = 'Select tags from projects, to copy them.'",
    "TOLD = 'Copy projects with their tags.'",
    "TOLD = 'Truncate long names of projects.'",
    "def f(input, open): return input(), open('x')",
    "def f():\n    requests = []\n    requests.append(1)\n    return requests",
    "def f(socket): return socket.sendall(b'')",
    "def f(game): game.commit()",
    "def f(match): return match.end()",
    "def f(file): file.close()",
    "from textwrap import dedent\nfrom sqlalchemy import text\nS = text(dedent('select 1'))",
    "from sqlalchemy import text\nS = text('select \\'{}\\'::jsonb')",
    "from sqlalchemy import text\nLIMIT = 10\nS = text(f'select 1 limit {LIMIT}')",
    """
    from sqlalchemy import text
    class R:
        TABLE = "tags"
        def f(self): return text(f"select 1 from {self.TABLE}")
    """,
    "from sqlalchemy import func\ndef f(x): return func.text(x)",
    "import sqlalchemy as sa\ndef f(tags): return sa.select(tags).where(sa.exists(tags).select())",
    "import sqlalchemy as sa\nS = sa.update(sa.table('tags')).where(sa.exists(sa.select(UserSummary.rows.c.id)))",
    "def f(users):\n    shown = {}\n    shown.update(users)\n    return shown",
    "from modules.users.api import UsersApi\nasync def f(users: UsersApi, change): return await users.list(change)",
    "import modules.users.api\nX = modules.users.api.UsersApi",
    "from modules.users import api\nX = api.UserSummary.rows.c.full_name",
    "import os\nX = os.path.join('a', 'b'), os.urandom(8)",
    "from pathlib import PurePath\ndef f(): return PurePath('x').stem",
    "import asyncio\nasync def f(a, b): return await asyncio.gather(a(), b())",
    "from fastapi import HTTPException\ndef f():\n    try: ...\n    except HTTPException: ...",
    "from fastapi import Response\nX = Response(status_code=204)",
    "class Colors:\n    names = ('a', 'b')\n    numbers = {'a': 1}",
    "from dataclasses import field\nclass C:\n    names: list[str] = field(default_factory=list)",
    "class Body(BaseModel):\n    names: list[str] = []",
    """
    class C:
        names = []
        def __init__(self): self.names = []
        def add(self, name): self.names.append(name)
    """,
    "def f(event): return event.metadata",
    "from zipfile import ZipFile\nfrom io import BytesIO\ndef f(): return ZipFile(BytesIO(), 'w')",
    "NAMES = {'a': 1}\nX = NAMES.get('a')",
    "X = Field(foreign_key='users.id')",
]
"""Files of which nothing is told, wherever they are but for HTTP in files that are no routers."""

UPGRADES = [
    'op.drop_column("tags", "projects")',
    'op.add_column("tags", sa.Column("users", sa.String()))',
    'op.execute("UPDATE tags SET projects = 1, users = 2")',
    'op.create_table_comment("tags", "Labels of projects")',
    'op.create_table("labels", sa.Column("x", sa.Uuid(), comment="One from users"), comment="Labels on projects")',
    'op.create_foreign_key("fk_tags_owner_id", "tags", "users", ["owner_id"], ["id"])',
    'sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_tags_owner_id"))',
    'op.create_index("ix_tags_users", "tags", ["users"])',
    'sa.Enum("users", "projects", name="kind")',
    "op.execute(\"DELETE FROM journal WHERE resource = 'tags'\")",
    'if op.get_bind() is None:\n    raise RuntimeError("take it from users first")',
    "op.execute(\"INSERT INTO tags (name) VALUES ('users'), ('projects')\")",
]
"""Upgrades of which nothing is told."""


def upgrade(code: str) -> str:
    """A migration that does this."""
    return MIGRATION + "".join(f"        {line}\n" for line in code.splitlines())


def way_down(code: str) -> str:
    """A migration that goes back so."""
    return f'from alembic import op\nrevision = "tags_0003"\ndef upgrade() -> None: ...\n{code}\n'
