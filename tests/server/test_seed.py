"""`trellis seed`: a made-up data set as operators make it, and as callers find it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import httpx2
import psycopg
import pytest

from app.failures import MIGRATE
from app.seeding import REFUSAL, plant
from shared.manifest import discover
from shared.settings import Settings
from shared.upkeep.seeding import BATCH, DataSet, Ids, Seeding, SeedingError, time_of
from tests.database import clone, empty_database
from tests.patience import PATIENCE
from tests.servers import ROOT, Server, serving, trellis

pytestmark = pytest.mark.needs("projects")

ASKED = {"users": 50, "tags": 400, "projects": 2 * BATCH + 1}
DEVELOPMENT = {"TRELLIS_ENVIRONMENT": "development"}
UNTIL = datetime(2026, 5, 1, tzinfo=UTC)

ODDITIES = {
    "a tag of another's": """
        project_tags JOIN projects ON projects.id = project_id JOIN tags ON tags.id = tag_id
        WHERE tags.owner_id <> projects.owner_id""",
    "an owner who is a member": "project_members JOIN projects ON id = project_id WHERE user_id = owner_id",
    "a project older than its owner": """
        projects JOIN users ON users.id = projects.owner_id WHERE users.created_at > projects.created_at""",
    "a tag older than its owner": """
        tags JOIN users ON users.id = tags.owner_id WHERE tags.created_at < users.created_at""",
    "a member before the project": """
        project_members JOIN projects ON id = project_id WHERE project_members.created_at < projects.created_at""",
    "a deleted owner": "projects JOIN users ON users.id = projects.owner_id WHERE users.deleted_at IS NOT NULL",
    **{
        f"{what} in {table}": f"{table} WHERE {where}"
        for table in ("users", "tags", "projects")
        for what, where in {
            "an id of another kind": "uuid_send(id)::text !~ '^.x.{12}7.{3}[89ab]'",
            "a time out of order": "NOT created_at <= updated_at OR updated_at > now() OR deleted_at <> updated_at",
            "a change without a version": "(version = 1) <> (created_at = updated_at)",
            "half a deletion": "(deleted_at IS NULL) <> (deletion_id IS NULL)",
        }.items()
    },
}


def settings(url: str) -> Settings:
    """Of a run in this process. Hashing is as cheap as argon2 allows."""
    return Settings(DATABASE_URL=url, environment="development", argon2_memory_kib=8, argon2_iterations=1)


def counts(url: str) -> dict[str, int]:
    """The rows of the tables that are asked for by name."""
    with psycopg.connect(url) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ASKED}


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row that is made, but for the hashes, whose salt is never the same."""
    queries = {
        "users": "SELECT id, email, full_name, is_active, version, updated_at, deletion_id FROM users ORDER BY id",
        "tags": "SELECT * FROM tags ORDER BY id",
        "projects": "SELECT * FROM projects ORDER BY id",
        "project_tags": "SELECT * FROM project_tags ORDER BY 1, 2",
        "project_members": "SELECT * FROM project_members ORDER BY project_id, user_id",
    }
    with psycopg.connect(url) as connection:
        return {table: connection.execute(query).fetchall() for table, query in queries.items()}


@pytest.fixture(scope="module")
def seeded() -> Iterator[str]:
    """A database that has what ASKED says. Tests only read it."""
    with clone("seeded") as url:
        plant(settings(url), discover(), ASKED)
        yield url


class TestADataSet:
    def test_has_as_many_rows_as_were_asked_for(self, seeded):
        assert counts(seeded) == ASKED

    @pytest.mark.parametrize("oddity", ODDITIES)
    def test_has_nothing_that_the_api_would_not_have_made(self, seeded, oddity):
        with psycopg.connect(seeded) as connection:
            assert connection.execute(f"SELECT * FROM {ODDITIES[oddity]}").fetchall() == []

    def test_has_something_of_everything(self, seeded):
        """The oddities above are looked for among rows that might have them."""
        rules = {
            "projects": "deleted_at IS NOT NULL AND version = 2",
            "tags": "deleted_at IS NOT NULL",
            "project_tags": "true",
            "project_members": "role = 'owner'",
        }
        with psycopg.connect(seeded) as connection:
            for table, where in rules.items():
                assert connection.execute(f"SELECT FROM {table} WHERE {where} LIMIT 1").fetchone() is not None

    def test_has_a_few_owners_who_own_very_many(self, seeded):
        with psycopg.connect(seeded) as connection:
            owned = [
                n for (n,) in connection.execute("SELECT count(*) FROM projects GROUP BY owner_id ORDER BY 1 DESC")
            ]
        assert sum(owned[:5]) > sum(owned) / 3
        assert owned[0] > 20 * owned[-1]

    def test_has_ids_in_order_of_creation(self, seeded):
        with psycopg.connect(seeded) as connection:
            times = [time for (time,) in connection.execute("SELECT created_at FROM projects ORDER BY id")]
        assert all(earlier <= later for earlier, later in pairwise(times))
        assert (times[-1] - times[0]).days > 700

    def test_has_statistics_when_it_is_there(self, seeded):
        with psycopg.connect(seeded) as connection:
            query = "SELECT reltuples::int FROM pg_class WHERE oid = 'projects'::regclass"
            assert connection.execute(query).fetchone() == (ASKED["projects"],)


class TestReproduction:
    def test_the_same_seed_on_an_equal_database_makes_the_same_rows(self):
        asked = {"users": 20, "tags": 50, "projects": 300}
        made = []
        for seed in (7, 7, 8):
            with clone() as url:
                plant(settings(url), discover(), asked, seed, until=UNTIL)
                made.append(everything(url))
        assert made[0] == made[1]
        assert made[0] != made[2]

    def test_a_second_run_adds(self):
        asked = {"users": 20, "tags": 50, "projects": 300}
        with clone() as url:
            first, second = (plant(settings(url), discover(), asked, until=UNTIL) for _ in range(2))
            assert counts(url) == {table: 2 * amount for table, amount in asked.items()}
        assert first.batch != second.batch

    def test_what_there_is_already_stays_as_it_is(self):
        with clone() as url:
            plant(settings(url), discover(), {"projects": 50}, until=UNTIL)
            before = everything(url)
            plant(settings(url), discover(), {"projects": 50}, until=UNTIL)
            after = everything(url)
        assert all(set(rows) < set(after[table]) for table, rows in before.items())


class TestAmounts:
    def test_of_nothing_make_nothing(self):
        with clone() as url:
            plant(settings(url), discover(), dict.fromkeys(ASKED, 0))
            assert set(counts(url).values()) == {0}

    def test_of_one_are_enough(self):
        with clone() as url:
            plant(settings(url), discover(), dict.fromkeys(ASKED, 1))
            assert set(counts(url).values()) == {1}

    @pytest.mark.parametrize("asked", [{"tags": 1, "projects": 0}, {"projects": 1}])
    def test_that_need_an_owner_are_refused_without_one(self, asked):
        with clone() as url, pytest.raises(SeedingError, match="need accounts that own them"):
            plant(settings(url), discover(), {"users": 0} | asked)

    def test_that_are_more_tags_than_there_are_words_still_have_slugs_of_their_own(self):
        with clone() as url:
            plant(settings(url), discover(), {"users": 1, "tags": 200, "projects": 0})
            assert counts(url)["tags"] == 200


class TestFailure:
    def test_leaves_nothing_behind(self):
        """Users and tags were written by then."""
        with clone() as url:
            with psycopg.connect(url) as connection:
                connection.execute("ALTER TABLE project_tags ADD CHECK (false)")
            failed = trellis("seed", DATABASE_URL=url, **DEVELOPMENT)
            assert failed.returncode == 1
            assert failed.stderr.startswith("trellis: PostgreSQL says: new row for relation")
            assert failed.stderr.endswith("Nothing was written.\n")
            assert set(counts(url).values()) == {0}

    def test_for_want_of_a_schema_says_what_to_do(self):
        with empty_database(os.environ["TRELLIS_TEST_TEMPLATE"]) as url:
            failed = trellis("seed", DATABASE_URL=url, **DEVELOPMENT)
        assert (failed.returncode, failed.stderr) == (1, f"trellis: {MIGRATE} Nothing was written.\n")

    def test_in_production_comes_before_anything_is_written(self):
        with clone() as url:
            refused = trellis("seed", DATABASE_URL=url)
            assert (refused.returncode, refused.stderr) == (1, f"Error: {REFUSAL}\n")
            assert set(counts(url).values()) == {0}
            assert trellis("seed", "--yes", "--projects", "3", DATABASE_URL=url).returncode == 0
            assert counts(url)["projects"] == 3


class TestTheCommand:
    def test_tells_each_modules_option_and_default(self):
        told = trellis("seed", "--help").stdout
        assert re.findall(r"--(\w+) N\b", told) == ["users", "tags", "projects"]
        assert "100 unless" in told

    def test_tells_programs_in_json(self):
        with clone() as url:
            made = json.loads(trellis("seed", "--json", "--users", "2", DATABASE_URL=url, **DEVELOPMENT).stdout)
        assert made["rows"]["users"] == 2
        assert "Sign in as" in " ".join(made["sentences"])

    def test_makes_accounts_to_sign_in_with_and_rows_to_read(self, tmp_path):
        """What it prints in the end is all that a newcomer needs."""
        with clone() as url:
            made = trellis("seed", "--users", "5", "--projects", "90", "--tags", "30", DATABASE_URL=url, **DEVELOPMENT)
            assert made.stderr == ""
            assert made.stdout.splitlines()[:3] == ["users: 5 rows", "tags: 30 rows", "projects: 90 rows"]
            email, password = re.search(r"Sign in as (\S+), .* password: (.*)", made.stdout).groups()
            with serving(tmp_path, DATABASE_URL=url) as server, _client(server) as api:
                body = {"email": email, "password": password}
                token = api.post("/auth/sessions", json=body).json()["access_token"]
                api.headers["Authorization"] = f"Bearer {token}"
                for collection in ("projects", "tags"):
                    listed = _all(api, collection)
                    assert listed
                    for document in listed:
                        assert api.get(f"/{collection}/{document['id']}").json() == document
                assert any(project["tags"] for project in _all(api, "projects"))

    def test_needs_no_more_memory_for_more_rows(self):
        """If they were kept, it would be a hundred megabytes more."""
        few, many = (_peak_memory("--users", "20", "--projects", str(amount)) for amount in (2 * BATCH, 50_000))
        assert many < few + 25_000


class TestIds:
    def test_are_what_was_added(self):
        ids = Ids()
        added = [UUID(int=number << 64) for number in range(5)]
        for id in added:
            ids.add(id)
        assert (list(ids), ids[-1], ids[1:3], len(ids)) == (added, added[-1], added[1:3], 5)
        with pytest.raises(IndexError):
            ids[5]

    def test_are_found_by_their_owner(self):
        """The second and the last have none."""
        ids = Ids()
        for number, owner in enumerate([0, 0, 2, 5]):
            ids.add(UUID(int=number), owner)
        assert [list(ids.of(owner)) for owner in range(7)] == [[0, 1], [], [2], [], [], [3], []]
        with pytest.raises(ValueError, match="earlier owner"):
            ids.add(UUID(int=9), 4)

    def test_tell_when_the_row_was_made(self):
        seeding = _seeding("a")
        moments = list(seeding.moments(1000))
        ids = [seeding.id_at(moment) for moment in moments]
        assert [time_of(id) for id in ids] == moments
        assert ids == sorted(ids)
        assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}

    def test_are_handed_to_modules_that_require_the_publisher(self):
        a = _seeding("a")
        a.publish("things", Ids())
        assert len(Seeding(a._data, "b", requires=("a",)).ids("things")) == 0
        with pytest.raises(SeedingError, match="No module that 'c' requires publishes 'things'"):
            Seeding(a._data, "c").ids("things")


def _seeding(module: str) -> Seeding:
    connection: psycopg.Connection = None  # type: ignore[assignment]  # Nothing is copied.
    data = DataSet(connection, settings("postgresql://nowhere/x"), batch="b", seed=0, until=UNTIL, progress=False)
    return Seeding(data, module)


def _client(server: Server) -> httpx2.Client:
    return httpx2.Client(base_url=f"{server.url}/api/v1", timeout=PATIENCE)


def _all(api: httpx2.Client, collection: str) -> list[dict[str, object]]:
    page = api.get(f"/{collection}?limit=100").json()
    assert page["next_cursor"] is None
    items: list[dict[str, object]] = page["items"]
    return items


def _peak_memory(*arguments: str) -> int:
    """Of the command's own process, in KiB."""
    with clone() as url:
        command = [sys.executable, "-m", "app.cli", "seed", *arguments]
        environment = os.environ | DEVELOPMENT | {"DATABASE_URL": url}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_maxrss
