"""What a list costs: a caller with few rows pays for those, however many others there are."""

from contextlib import contextmanager

import pytest
from psycopg import AsyncRawCursor
from sqlalchemy import text

from modules.projects.schemas import PROJECTS
from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from shared.wire.wire import Wire
from tests.contract.reading import NOON, ids, items, projects_of, shared_with
from tests.patience import PATIENCE

CROWD = """
INSERT INTO projects (id, owner_id, name, description, status, created_at)
SELECT gen_random_uuid(), {others}[1 + mod(n, 20)], 'Project ' || n, 'word' || mod(n, 1000), 'active',
    timestamptz '2026-01-01' + n * interval '1 second'
FROM generate_series(1, 20000) AS n;
INSERT INTO tags (id, owner_id, name, slug, color, created_at)
SELECT gen_random_uuid(), {others}[1 + mod(n, 20)], 'Tag ' || n, 'crowd-' || n, '#000000',
    timestamptz '2026-01-01' + n * interval '1 second'
FROM generate_series(1, 20000) AS n;
ANALYZE projects; ANALYZE tags;
INSERT INTO project_tags (project_id, tag_id)
SELECT p.id, t.id
FROM (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM projects WHERE owner_id = ANY ({others})) AS p
JOIN (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM tags WHERE owner_id = ANY ({others})) AS t USING (n);
INSERT INTO project_members (project_id, user_id, role)
SELECT id, {others}[1], 'viewer' FROM projects WHERE owner_id <> {others}[1] AND owner_id = ANY ({others});
ANALYZE project_tags; ANALYZE project_members; ANALYZE users; ANALYZE sessions
"""


@pytest.fixture
async def crowd(database):
    """Twenty accounts with a thousand projects each, all of which the first one sees."""
    crowd = [await UserFactory.saved() for _ in range(20)]
    others = "(ARRAY[" + ",".join(f"'{user.id}'" for user in crowd) + "]::uuid[])"
    for statement in CROWD.format(others=others).split(";"):
        await database.script(statement)
    return crowd


@pytest.fixture
async def few(ann, bob, crowd):
    """Ann's seven projects with a tag on each, of which three are Bob's, among 20,000 that she does not see."""
    projects = [*await projects_of(ann, 4), *[await shared_with(ann, project) for project in await projects_of(bob, 3)]]
    for project in projects:
        tag = await TagFactory.saved(owner_id=project.owner_id, created_at=NOON)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return projects


@contextmanager
def executed():
    """The statements of the read lane meanwhile, with the values that they were given."""
    noted = []
    rows = Wire.rows

    async def note(self, statement, values, before=()):
        noted.append((statement.text, statement.arguments(values)))
        return await rows(self, statement, values, before)

    Wire.rows = note  # type: ignore[method-assign]
    try:
        yield noted
    finally:
        Wire.rows = rows  # type: ignore[method-assign]


async def plan(database, statement, values):
    """How PostgreSQL would go about the statement: every node of its plan."""
    async with database.reading() as connection:
        cursor = AsyncRawCursor(connection)
        await cursor.execute(b"EXPLAIN (VERBOSE) " + statement, values)
        return [line for (line,) in await cursor.fetchall()]


async def sequential_scans(database, table="projects"):
    """How many there were of the table in this transaction."""
    query = f"SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = '{table}'"
    return (await database.sql(text(query))).scalar_one()


async def cost(database, answering):
    """The plan of the one statement that gives an answer, and the answer."""
    with executed() as statements:
        answer = await answering
    ((statement, values),) = statements
    return await plan(database, statement, values), answer


class TestAList:
    async def test_of_a_caller_with_few_rows_scans_no_table(self, ann, few, database):
        first = await ann.get("/projects", params={"limit": 2})
        deep = f"http://test{first.links['next']['url']}"
        requests = {
            "the first page": "/projects",
            "a deep page": deep,
            "a page by status": "/projects?status=active",
            "a page by tag": f"/projects?tag={items(first)[0]['tags'][0]['slug']}",
            "a page with all that can be embedded": "/projects?include=owner,members",
            "a counted page": "/projects?count=exact",
            "the trash": "/projects?deleted=include",
            "a page by name": "/projects?sort=name&limit=3",
            "the tags": "/tags",
            "counted tags": "/tags?count=exact",
            "one project": f"/projects/{few[0].id}",
            "its members": f"/projects/{few[0].id}/members",
        }
        scanning = {}
        for name, path in requests.items():
            lines, answer = await cost(database, ann.get(path))
            assert answer.status_code == 200, answer.text
            found = [
                line.strip()
                for line in lines
                if "Seq Scan on public.projects" in line or "Seq Scan on public.tags" in line
            ]
            if found:
                scanning[name] = found
        assert not scanning

        expected = sorted(few, key=lambda project: (project.created_at, project.id), reverse=True)
        assert ids(await ann.get("/projects")) == [str(project.id) for project in expected]
        assert len(ids(await ann.get("/tags"))) == 7

    async def test_scans_no_table_however_often_it_is_asked_for(self, ann, few, database):
        """After five executions, PostgreSQL may take to a plan for any values."""
        first = await ann.get("/projects", params={"limit": 1})
        for path in ("/projects", f"http://test{first.links['next']['url']}", "/tags", "/projects?q=word7"):
            before = await sequential_scans(database)
            for _ in range(12):
                assert (await ann.get(path)).status_code == 200
            assert await sequential_scans(database) == before, path

    async def test_by_many_tags_is_the_statement_of_one_tag(self, ann):
        """A join more for each would take seconds to plan, at the cost of a few bytes."""
        await projects_of(ann, 1)
        with executed() as statements:
            for count in (1, 100):
                answer = await ann.get("/projects", params=[("tag", f"t{n}") for n in range(count)])
                assert answer.status_code == 200
        assert statements[0][0] is statements[1][0]

    async def test_that_did_scan_one_would_be_told(self, database):
        """What these tests rely on."""
        before = await sequential_scans(database)
        await database.script("SELECT count(description) FROM projects")
        assert await sequential_scans(database) == before + 1
        lines = await plan(database, b"SELECT count(description) FROM projects", [])
        assert any("Seq Scan on public.projects" in line for line in lines)


OWN = """
INSERT INTO projects (id, owner_id, name, status, due_on, description, created_at)
SELECT gen_random_uuid(), '{owner}', 'Project ' || mod(n, 700), 'active',
    CASE WHEN mod(n, 2) = 0 THEN date '2026-01-01' + mod(n, 300) END, 'common',
    timestamptz '2026-01-01' - n * interval '1 second'
FROM generate_series(1, 2000) AS n"""


class TestAFlatSort:
    @pytest.mark.parametrize("field", [name for name in PROJECTS.flat_sorts if name != "created_at"])
    @pytest.mark.parametrize("direction", ["", "-"])
    async def test_reads_its_index_at_any_depth(self, ann, crowd, database, field, direction):
        """Every page, also the one where the nulls begin or end, reads its own rows in their order, and no others."""
        await database.script(OWN.format(owner=ann.id))
        await database.script("ANALYZE projects")
        found: list[str] = []
        path: str | None = f"/projects?sort={direction}{field}&limit=100&fields=id"
        while path is not None:
            lines, answer = await cost(database, ann.get(path))
            assert any(f"ix_projects_owner_id_{field}_id" in line for line in lines), lines
            assert not any("Seq Scan on public.projects" in line for line in lines), lines
            found += ids(answer)
            path = f"http://test{answer.links['next']['url']}" if "next" in answer.links else None
        assert len(found) == len(set(found)) == 2000


class TestASearch:
    async def test_asks_for_the_callers_own_rows_among_the_words(self, ann, crowd, database):
        """So an index of words need not give the rows of others."""
        own = await ProjectFactory.saved(owner_id=ann.id, name="word7", description="word7")
        lines, answer = await cost(database, ann.get("/projects", params={"q": "word7"}))
        assert ids(answer) == [str(own.id)]
        assert any("search @@ (concat(" in line for line in lines), lines

    async def test_takes_no_word_for_an_owner(self, ann, bob):
        """What a client writes finds words of texts alone."""
        theirs = await projects_of(bob, 1)
        for words in (f"={bob.id}", f"'={bob.id}'", f'"={bob.id}"', f"={theirs[0].owner_id} OR x"):
            assert ids(await ann.get("/projects", params={"q": words})) == []
            assert ids(await bob.get("/projects", params={"q": words})) == []

    async def test_of_a_rare_word_uses_an_index(self, ann, few, database):
        own = await ProjectFactory.saved(owner_id=ann.id, name="unheard")
        for sort in ("-relevance", "-created_at"):
            lines, answer = await cost(database, ann.get("/projects", params={"q": "unheard", "sort": sort}))
            assert ids(answer) == [str(own.id)]
            assert not [line for line in lines if "Seq Scan on public.projects" in line]

    async def test_that_takes_too_long_is_ended_and_said_so(self, ann, database):
        """No table is read without a bound. A function of PostgreSQL's is replaced by one that takes long for sure."""
        await projects_of(ann, 1)
        for statement in (
            f"""CREATE FUNCTION public.websearch_to_tsquery(regconfig, text) RETURNS tsquery LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep({PATIENCE}); RETURN NULL; END $$""",
            "SET LOCAL search_path = public, pg_catalog",
            "SET LOCAL statement_timeout = '3s'",
        ):
            await database.script(statement)
        answer = await ann.get("/projects", params={"q": "project", "sort": "-relevance", "count": "exact"})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"]
