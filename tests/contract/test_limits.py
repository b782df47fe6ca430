"""How much a client may ask: by credential, else by address; what answers tell of it, and who is refused."""

import re
from itertools import count

import pytest
from httpx2 import ASGITransport, AsyncClient

from app.asgi import create_app
from app.container import compose
from shared.http.edge import limits
from shared.http.edge.limits import Buckets, Charge
from shared.manifest import discover
from tests.callers import BASE, signed_in
from tests.contract.test_problems import is_problem

QUOTA = 20
LIMITS = {"credential_limit": f"{QUOTA}/100", "address_limit": "30/100", "servers": 1}
LIMIT = re.compile(r'"(credential|address)";r=(\d+);t=(\d+)')
ADDRESSES = count()


@pytest.fixture(scope="module")
def clock():
    """Time stands still unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(limits, "monotonic", clock)
        yield clock


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def limited(settings, application, clock):
    limited = compose(settings.model_copy(update=LIMITS), discover())
    limited.kernel.database.override(application.kernel.database())
    return limited, create_app(limited)


@pytest.fixture
async def ann(limited, database):
    application, app = limited
    async with await signed_in(app, application) as ann:
        yield ann


@pytest.fixture
def somewhere(limited, ann):
    """Who has no credential, at an address of their own."""
    transport = ASGITransport(limited[1], raise_app_exceptions=False, client=(f"192.0.2.{next(ADDRESSES)}", 1))
    return AsyncClient(transport=transport, base_url=BASE)


def left(answer):
    """The policy, the units that are left, and the seconds for which they last."""
    policy, units, seconds = LIMIT.fullmatch(answer.headers["RateLimit"]).groups()
    return policy, int(units), int(seconds)


async def exhaust(client):
    """Ask for all there is; the first answer that is refused."""
    for _ in range(100):
        answer = await client.get("/projects")
        if answer.status_code == 429:
            return answer
    raise AssertionError("Nobody was refused.")


class TestAnAnswer:
    async def test_tells_the_policy_and_what_is_left(self, ann):
        answer = await ann.get("/users/me")
        assert answer.headers["RateLimit-Policy"] == '"credential";q=20;w=100'
        assert left(answer) == ("credential", 19, 95)
        assert left(await ann.get("/users/me")) == ("credential", 18, 90)

    async def test_tells_it_also_when_it_is_a_304_an_error_or_a_stream(self, ann):
        tag = (await ann.get("/users/me")).headers["ETag"]
        unchanged = await ann.get("/users/me", headers={"If-None-Match": tag})
        assert (unchanged.status_code, left(unchanged)[1]) == (304, 18)
        assert left(await ann.get("/projects/x"))[1] == 17
        assert left(await ann.get("http://test/nowhere"))[1] == 16
        assert left(await ann.get("/projects/export"))[1] == 15

    async def test_is_of_the_address_without_a_valid_credential(self, ann, somewhere):
        assert left(await somewhere.get("/projects")) == ("address", 29, 97)
        forged = await somewhere.get("/projects", headers={"Authorization": f"Bearer {ann.token[:-4]}AAAA"})
        assert (forged.status_code, left(forged)) == (401, ("address", 28, 94))

    async def test_has_neither_where_there_is_no_limit(self, client):
        assert not {"ratelimit", "ratelimit-policy"} & (await client.get("/projects")).headers.keys()


class TestWhoHasAskedTooMuch:
    async def test_is_told_when_to_come_again(self, ann, clock):
        refused = await exhaust(ann)
        problem = is_problem(refused, 429, "quota_exceeded")
        assert problem["violated-policies"] == ["credential"]
        assert problem["retryable"]
        assert left(refused) == ("credential", 0, int(refused.headers["Retry-After"])) == ("credential", 0, 5)
        clock.now += 5
        assert (await ann.get("/users/me")).status_code == 200
        assert (await ann.get("/users/me")).status_code == 429

    async def test_is_still_served_what_is_urgent(self, ann, somewhere):
        await exhaust(somewhere)
        assert (await somewhere.get("http://test/health/live")).status_code == 200
        assert (await somewhere.post("/auth/revoke", data={"token": "x"})).status_code == 200
        assert (await somewhere.get("/projects")).status_code == 429

    async def test_takes_nothing_from_others(self, ann, limited, somewhere):
        application, app = limited
        await exhaust(ann)
        await exhaust(somewhere)
        async with await signed_in(app, application) as bob:
            assert left(await bob.get("/users/me"))[1] == QUOTA - 1


class TestTheCost:
    async def test_of_a_batch_is_its_operations(self, ann):
        tags = [{"method": "POST", "path": "/tags", "body": {"name": f"tag {n}"}} for n in range(7)]
        assert left(await ann.post("/batch", json={"operations": tags}))[1] == QUOTA - 7

    async def test_of_a_batch_is_what_each_operation_costs_alone(self, ann):
        """Hidden in a batch, a change of all that match is no cheaper."""
        change = {"method": "PATCH", "path": "/projects?status=active", "body": {"status": "paused"}}
        alone = await ann.patch("/projects?status=active", json={"status": "paused"})
        assert (alone.status_code, left(alone)[1]) == (200, QUOTA - 10)
        tag = {"method": "POST", "path": "/tags", "body": {"name": "x"}}
        batch = await ann.post("/batch", json={"operations": [tag, change, tag | {"body": {"name": "y"}}]})
        assert (batch.status_code, left(batch)[1]) == (200, 0)

    async def test_of_an_import_is_its_lines(self, ann):
        lines = b'{"name": "A"}\n' * 9
        headers = {"Content-Type": "application/x-ndjson"}
        assert left(await ann.post("/projects/import", content=lines, headers=headers))[1] == QUOTA - 1 - 9

    async def test_of_what_hashes_a_password_is_ten(self, somewhere):
        assert left(await somewhere.post("/auth/token", data={"grant_type": "refresh_token"}))[1] == 30 - 10

    async def test_that_is_more_than_there_is_left_is_owed(self, ann, clock):
        """The request is carried out, as what it costs is known late; the next ones wait for longer."""
        tags = [{"method": "POST", "path": "/tags", "body": {"name": f"tag {n}"}} for n in range(19)]
        for _ in range(5):
            await ann.get("/users/me")
        assert (await ann.post("/batch", json={"operations": tags})).status_code == 200
        refused = await ann.get("/users/me")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "25")
        clock.now += 25
        assert (await ann.get("/users/me")).status_code == 200

    async def test_is_never_more_than_a_full_bucket(self, ann):
        """Or nobody could afford a large import."""
        lines, headers = b'{"name": "A"}\n' * 200, {"Content-Type": "application/x-ndjson"}
        assert (await ann.post("/projects/import", content=lines, headers=headers)).json()["imported"] == 200
        assert int((await ann.get("/users/me")).headers["Retry-After"]) <= 2 * 100


class TestTheBuckets:
    def test_forget_who_has_not_asked_for_two_windows_and_remember_all_others(self, clock):
        buckets = Buckets("address", 10, 100)
        for _ in range(10):
            assert not Charge(buckets, "busy").is_refused
        assert Charge(buckets, "busy").is_refused
        for _ in range(9):
            clock.now += 10
            for other in range(50):
                Charge(buckets, (clock.now, other))
            assert not Charge(buckets, "busy").is_refused
            assert Charge(buckets, "busy").is_refused
        clock.now += 1000
        for _ in range(2):
            Charge(buckets, "new")
            clock.now += 201
        Charge(buckets, "new")
        assert {*buckets._full_at, *buckets._before} == {"new"}

    def test_are_bounded_however_many_come(self, clock, monkeypatch):
        monkeypatch.setattr(limits, "MOST_CLIENTS", 100)
        buckets = Buckets("address", 10, 100)
        for client in range(10_000):
            Charge(buckets, client)
            assert len(buckets._full_at) + len(buckets._before) <= 200
