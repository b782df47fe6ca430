"""A mirror by the guide's recipe is equal to the server's answer; `make mirror` tries it for longer."""

import random
import subprocess
import sys
from itertools import count
from typing import Any

import httpx2
import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE
from tests.server.mirror import GUIDE, Mirror, Recipe
from tests.server.mirror_writers import Account, World
from tests.servers import ROOT, serving

pytestmark = pytest.mark.needs("projects")

CASTS = count()


class Cast:
    """Accounts that do one thing after the other. Ada is an administrator. Cem has no mirror."""

    def __init__(self, http: httpx2.Client, database_url: str) -> None:
        self.http, number = http, next(CASTS)
        accounts = [Account(f"{name}{number}@example.com") for name in ("ann", "bob", "cem", "ada")]
        self.ann, self.bob, self.cem, self.ada = accounts
        World(str(http.base_url), accounts).register(http)
        with psycopg.connect(database_url) as operator:
            operator.execute("UPDATE users SET role = 'admin' WHERE id = %s", [self.ada.id])

    def ask(self, account: Account, method: str, path: str, body: object = None) -> Any:
        """The answer to a change, which has to succeed."""
        headers = {"Authorization": f"Bearer {account.token}"}
        answer = self.http.request(method, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def make(self, account: Account, path: str, **fields: object) -> str:
        """The id of something new."""
        id: str = self.ask(account, "POST", path, fields if "role" in fields else {"name": "x"} | fields)["id"]
        return id

    def acts(self):
        """Changes documents in each of the ways that the feed tells of, and stops after each change."""
        ann, bob, cem, ada = self.ann, self.bob, self.cem, self.ada
        tag, other, cems = (
            self.make(maker, "/tags", name=name) for maker, name in ((ann, "1"), (ann, "2"), (cem, "3"))
        )
        project, far = self.make(ann, "/projects", tag_ids=[tag]), self.make(ann, "/projects", tag_ids=[tag])
        invited = [
            self.make(ann, f"/projects/{project}/invitations", user_id=who.id, role=role)
            for who, role in ((bob, "viewer"), (cem, "owner"), (ada, "editor"))
        ]
        for who, *act in (
            (bob, "POST", f"/invitations/{invited[0]}/accept"),
            (cem, "POST", f"/invitations/{invited[1]}/accept"),
            (cem, "PUT", f"/projects/{project}/tags/{cems}"),
            (ann, "PATCH", f"/tags/{tag}", {"name": "New"}),
            (ann, "PATCH", f"/projects/{project}", {"name": "New"}),
            (ann, "PUT", f"/projects/{project}/tags/{other}"),
            (ann, "DELETE", f"/tags/{tag}"),
            (ann, "POST", f"/tags/{tag}/restore"),
            (ann, "DELETE", f"/projects/{project}/tags/{other}"),
            (ann, "DELETE", f"/projects/{far}"),
            (ann, "POST", f"/projects/{far}/restore"),
            (ada, "DELETE", f"/users/{cem.id}"),
            (ada, "POST", f"/users/{cem.id}/restore"),
            (ada, "POST", f"/invitations/{invited[2]}/accept"),
            (ann, "DELETE", f"/projects/{project}/members/{ann.id}"),
            (ada, "DELETE", f"/projects/{project}/members/{bob.id}"),
        ):
            self.ask(who, *act)
            yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with clone("mirror") as url, serving(tmp_path_factory.mktemp("mirror"), DATABASE_URL=url) as server:
        yield f"{server.url}/api/v1", url


@pytest.fixture
def cast(server):
    with httpx2.Client(base_url=server[0], timeout=PATIENCE) as http:
        yield Cast(http, server[1])


def differences(cast: Cast, text: str, *, looks_at_each_act: bool) -> list[str]:
    """What three mirrors by the recipe in this text have wrong in the end."""
    resources = ["projects", "tags"]
    kept = ((cast.ann, resources), (cast.bob, resources), (cast.ada, [*resources, "users"]))
    mirrors = [Mirror(who, what, Recipe.of(text), cast.http, random.Random(), mortal=False) for who, what in kept]
    follow(*mirrors)
    for _ in cast.acts():
        if looks_at_each_act:
            follow(*mirrors)
    follow(*mirrors)
    return [difference for mirror in mirrors for difference in mirror.differences()]


def follow(*mirrors: Mirror) -> None:
    for mirror in mirrors:
        while mirror.step():
            pass


def without(*steps: tuple[str, str]) -> str:
    """The guide with something else in the place of these lines."""
    text = GUIDE.read_text()
    for step, other in steps:
        assert text.count(step) == 1
        text = text.replace(step, other)
    return text


LEFT_OUT = {
    "to list anew what has no id": ("if None in ids:", "if ids.discard(None):"),
    "to read what is named": (' | read(get, resource, **{"id[in]": ",".join(ids)})', ""),
    "to drop what is answered no more": (" if id not in ids}", "}"),
    "what changed along with something else": (
        "== resource}",
        '== resource and (item["version"] or item["part"] or item["action"] != "changed")}',
    ),
}


class TestTheRecipe:
    @pytest.mark.parametrize("looks_at_each_act", [True, False])
    def test_of_the_guide_leaves_no_difference(self, cast, looks_at_each_act):
        assert differences(cast, GUIDE.read_text(), looks_at_each_act=looks_at_each_act) == []

    @pytest.mark.parametrize("step", LEFT_OUT)
    def test_needs_each_of_its_steps(self, cast, step):
        assert differences(cast, without(LEFT_OUT[step]), looks_at_each_act=True)

    def test_takes_the_cursor_before_the_lists(self, cast):
        """What changes while they are read would be in neither."""

        class Interrupted(Mirror):
            def _get(self, path: str, **query: Any) -> Any:
                page = super()._get(path, **query)
                if path == "/tags" and self.stored is None:
                    cast.make(cast.ann, "/tags", name=f"The {len(page['items'])}th")
                return page

        line = '    cursor = get("/changes", after="latest")["next_cursor"]  # First the cursor, then the lists.\n'
        later = without(
            (line, ""), ("in resources}, cursor", 'in resources}, get("/changes", after="latest")["next_cursor"]')
        )
        for text, wrong in ((GUIDE.read_text(), 0), (later, 1)):
            mirror = Interrupted(cast.ann, ["tags"], Recipe.of(text), cast.http, random.Random(), mortal=False)
            follow(mirror)
            assert len(mirror.differences()) == wrong

    def test_has_fewer_than_ten_lines_to_follow_with(self):
        body = GUIDE.read_text().partition("def follow(get, mirror, cursor):\n")[2].partition("\n\n\n")[0]
        assert 1 < len(body.splitlines()) < 10


class TestMirrors:
    def test_are_equal_to_the_server_be_it_killed(self):
        """Three writers and three mirrors for a while; the seed in the output repeats what they do."""
        command = [sys.executable, "-m", "tests.server.mirror", "--minutes", "0.3"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("Differences: 0.\n")
