"""What stands around a header's value is no part of it (RFC 9110 §5.5), whichever header that is and whoever serves."""

import json
import socket
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest

from modules.projects.tests.factories import ProjectFactory
from modules.users.tests.factories import PASSWORD
from tests.contract.test_problems import is_problem
from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import serving

PADDED = [b"%b", b" %b", b"%b ", b"\t%b\t", b" \t %b \t "]


@pytest.fixture(params=PADDED, ids=repr)
def padded(request):
    """A header whose value has this around it."""

    def header(name, value):
        return name, request.param.replace(b"%b", value.encode())

    return header


class TestBlanksAround:
    async def test_credentials_are_no_part_of_them(self, client, ann, padded):
        for scheme in ("Bearer ", "bearer    "):
            headers = [padded(b"Authorization", scheme + ann.token)]
            assert (await client.get("/users/me", headers=headers)).json()["id"] == str(ann.id)
            made = await client.post("/projects", json={"name": "x"}, headers=headers)
            assert made.json()["owner_id"] == str(ann.id)
            upload = [*headers, (b"Content-Type", b"application/x-ndjson")]
            assert (await client.post("/projects/import", content=b"", headers=upload)).status_code == 200

    async def test_a_tag_are_no_part_of_it(self, ann, padded):
        project = await ProjectFactory.saved(owner_id=ann.id)
        path = f"/projects/{project.id}"
        read = await ann.get(path)
        known = await ann.get(path, headers=[padded(b"If-None-Match", read.headers["ETag"])])
        assert known.status_code == 304
        for tag in (read.headers["ETag"], "*"):
            assert (await ann.patch(path, json={}, headers=[padded(b"If-Match", tag)])).status_code == 200
        there = await ann.patch(path, json={}, headers=[padded(b"If-None-Match", "*")])
        is_problem(there, 412, "already_there")

    async def test_a_kind_are_no_part_of_it(self, ann, padded):
        made = await ann.post(
            "/projects", content=b'{"name": "x"}', headers=[padded(b"Content-Type", "application/json")]
        )
        assert made.status_code == 201
        exported = await ann.get("/projects/export", headers=[padded(b"Accept", "text/csv")])
        assert exported.headers["Content-Type"].startswith("text/csv")

    async def test_a_wish_are_no_part_of_it(self, ann, padded):
        headers = [padded(b"Prefer", "return=minimal"), padded(b"X-Request-ID", "abc")]
        made = await ann.post("/projects", json={"name": "x"}, headers=headers)
        assert (made.status_code, made.content, made.headers["X-Request-ID"]) == (201, b"", "abc")


class TestCredentials:
    async def test_that_contradict_themselves_are_none(self, client, ann):
        """Which of the two a proxy has looked at, nobody knows."""
        for method, path in (("GET", "/users/me"), ("POST", "/projects"), ("POST", "/projects/import")):
            headers = [("Authorization", f"Bearer {ann.token}")] * 2
            is_problem(await client.request(method, path, headers=headers), 401, "unauthenticated")

    @pytest.mark.parametrize("scheme", ["Bearer\t", "Bearer,", "Basic ", "Token ", ""])
    async def test_of_another_scheme_are_none(self, client, ann, scheme):
        headers = {"Authorization": f"{scheme}{ann.token}"}
        assert (await client.get("/users/me", headers=headers)).status_code == 401


class TestOverTheNetwork:
    """The HTTP parser leaves blanks where they are after a value."""

    def test_a_key_with_blanks_around_it_is_the_same(self, tmp_path):
        with clone() as url, serving(tmp_path, DATABASE_URL=url) as server:
            token = signed_in_at(server)
            made = [created(server, token, key) for key in (b"k", b"k ", b"k\t ", b"\t k", b'"k"', b' "k" \t')]
            assert len({document["id"] for document in made}) == 1
            assert created(server, token, b"K")["id"] != made[0]["id"]


def signed_in_at(server):
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    with httpx2.Client(base_url=f"{server.url}/api/v1", timeout=PATIENCE) as http:
        http.post("/users", json=account | {"full_name": "Ann"})
        body = {"email": account["email"], "password": PASSWORD}
        return http.post("/auth/sessions", json=body).json()["access_token"]


def created(server, token, key):
    """The project that is made under this key, sent byte by byte as it stands."""
    address = urlsplit(server.url)
    content = b'{"name": "x"}'
    head = [
        b"POST /api/v1/projects HTTP/1.1",
        b"Host: " + address.netloc.encode(),
        b"Authorization: Bearer  " + token.encode() + b" ",
        b"Content-Type: application/json \t",
        b"Content-Length: %d" % len(content),
        b"Idempotency-Key:" + key,
        b"Connection: close",
    ]
    with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + content)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    start, _, document = answer.partition(b"\r\n\r\n")
    assert b" 201 " in start.splitlines()[0], answer
    return json.loads(document)
