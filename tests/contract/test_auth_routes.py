"""The auth routes are no changes to repeat, to try, or to make conditional, and the document says so."""

import pytest

from modules.users.tests.factories import PASSWORD
from tests.contract.test_problems import is_problem
from tests.contract.writing import contents, execute

SIGN_IN = {"grant_type": "password", "username": "ann@example.com", "password": PASSWORD}
ROUTES = ["/auth/token", "/auth/revoke"]

HEADERS = {
    "a key": [("Idempotency-Key", "k")],
    "a bad key": [("Idempotency-Key", "\x7f")],
    "two keys": [("Idempotency-Key", "k"), ("Idempotency-Key", "l")],
    "a version": [("If-Match", '"9-"')],
    "any version": [("If-Match", "*")],
    "no version": [("If-None-Match", "*")],
    "a contradiction": [("If-Match", "*"), ("If-None-Match", "*")],
    "a preference": [("Prefer", "return=minimal")],
}
"""What means something to a change."""

DRY_RUNS = ["dry_run=true", "dry_run=false", "dry_run", "dry_run=", "x=1&dry%5Frun=true", "dry_run=true&dry_run=false"]


@pytest.fixture
async def token(client, ann):
    """A refresh token of Ann's."""
    return (await client.post("/auth/token", data=SIGN_IN)).json()["refresh_token"]


@pytest.fixture
async def used(client, token, database):
    """One that was used long ago; and its successor."""
    successor = (await refreshed(client, token)).json()["refresh_token"]
    await execute(database, "UPDATE refresh_tokens SET used_at = used_at - interval '1 hour'")
    return token, successor


async def refreshed(client, token, query="", headers=()):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await client.post(f"/auth/token{query}", data=form, headers=list(headers))


class TestHeadersThatMeanNothing:
    @pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
    async def test_change_nothing_about_a_sign_in(self, client, ann, database, headers):
        answers = [await client.post("/auth/token", data=SIGN_IN, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json()["refresh_token"] != answers[1].json()["refresh_token"]
        assert not {"Idempotency-Replayed", "Preference-Applied"} & set(answers[1].headers)
        assert (await execute(database, "SELECT count(*) FROM idempotency_keys")).scalar() == 0

    @pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
    async def test_change_nothing_about_a_refresh(self, client, token, headers):
        first = await refreshed(client, token, headers=headers)
        assert first.status_code == 200
        assert (await refreshed(client, first.json()["refresh_token"], headers=headers)).status_code == 200

    @pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
    async def test_do_not_take_back_that_a_reuse_was_found(self, client, used, headers):
        token, successor = used
        assert (await refreshed(client, token, headers=headers)).json()["error"] == "invalid_grant"
        assert (await refreshed(client, successor)).json()["error"] == "invalid_grant"

    @pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
    async def test_change_nothing_about_a_sign_out(self, client, token, headers):
        for _ in range(2):
            answer = await client.post("/auth/revoke", data={"token": token}, headers=headers)
            assert answer.status_code == 200
        assert (await refreshed(client, token)).json()["error"] == "invalid_grant"

    async def test_are_not_asked_for_where_changes_need_a_version(self, application, client, ann, monkeypatch):
        monkeypatch.setattr(application.http.mutations(), "require_if_match", True)
        answer = await client.post("/auth/token", data=SIGN_IN)
        assert (await refreshed(client, answer.json()["refresh_token"])).status_code == 200


class TestADryRun:
    @pytest.mark.parametrize("query", DRY_RUNS)
    @pytest.mark.parametrize("path", ROUTES)
    async def test_is_refused_and_does_nothing(self, client, token, database, path, query):
        """Who believes in one must not be given a session, nor have lost one."""
        before = await contents(database)
        for form in (SIGN_IN, {"grant_type": "refresh_token", "refresh_token": token}, {"token": token}):
            answer = await client.post(f"{path}?{query}", data=form)
            problem = is_problem(answer, 400, "invalid_request")
            assert problem["error"] == "invalid_request"
            assert [error["parameter"] for error in problem["errors"]] == ["dry_run"]
        assert await contents(database) == before

    async def test_neither_gives_tokens_nor_hides_a_reuse(self, client, used):
        token, successor = used
        assert (await refreshed(client, token, "?dry_run=true")).status_code == 400
        assert (await refreshed(client, token)).json()["error"] == "invalid_grant"
        assert (await refreshed(client, successor)).json()["error"] == "invalid_grant"


class TestTheDocument:
    @pytest.mark.parametrize("path", ROUTES)
    async def test_lists_no_such_parameter(self, client, path):
        document = (await client.get("http://test/openapi.json")).json()
        operation = document["paths"][f"/api/v1{path}"]["post"]
        assert operation.get("parameters", []) == []

    async def test_keeps_the_names_of_the_security_schemes(self, client):
        """Generated clients have it in their code."""
        document = (await client.get("http://test/openapi.json")).json()
        assert document["components"]["securitySchemes"].keys() == {"OAuth2PasswordBearer", "ApiKey"}

    @pytest.mark.parametrize("path", ["/users", "/projects"])
    async def test_lists_them_elsewhere(self, client, path):
        document = (await client.get("http://test/openapi.json")).json()
        parameters = document["paths"][f"/api/v1{path}"]["post"]["parameters"]
        assert {"Idempotency-Key", "dry_run"} <= {parameter["name"] for parameter in parameters}
