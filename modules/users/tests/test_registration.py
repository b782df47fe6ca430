"""What API clients may rely on when they register: POST /users."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response

from modules.users.tests.factories import UserFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]

ANN = {"email": "ann@example.com", "password": "a good long password", "full_name": "Ann Example"}


async def register(client: AsyncClient, **fields: object) -> Response:
    return await client.post("/users", json=ANN | fields)


async def token_of(client: AsyncClient, email: str, password: str) -> str:
    answer = await client.post("/auth/token", data={"grant_type": "password", "username": email, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


class TestRegister:
    async def test_answers_the_account_and_where_it_is(self, client: AsyncClient) -> None:
        answer = await register(client)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Location"] == f"/api/v1/users/{answer.json()['id']}"

    async def test_a_new_account_is_an_active_user_with_an_unverified_address(self, client: AsyncClient) -> None:
        account = (await register(client)).json()
        assert UUID(account.pop("id")).version == 7
        created_at = account.pop("created_at")
        assert created_at.endswith(("Z", "+00:00"))
        assert account == {
            "email": "ann@example.com",
            "full_name": "Ann Example",
            "role": "user",
            "kind": "person",
            "owner_id": None,
            "is_active": True,
            "email_verified": False,
            "updated_at": created_at,
            "version": 1,
        }

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, client: AsyncClient) -> None:
        created = await register(client)
        token = await token_of(client, ANN["email"], ANN["password"])
        later = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        assert later.content == created.content

    async def test_the_location_is_where_an_administrator_finds_it(
        self, client: AsyncClient, signed_in: SignIn
    ) -> None:
        created = await register(client)
        admin = await signed_in(role="admin")
        found = await admin.get(f"http://test{created.headers['Location']}")
        assert found.content == created.content

    async def test_neither_the_password_nor_its_hash_is_told(self, client: AsyncClient) -> None:
        answer = await register(client)
        assert ANN["password"] not in answer.text
        assert "password" not in answer.text
        assert "argon2" not in answer.text

    async def test_white_space_around_the_name_is_taken_away(self, client: AsyncClient) -> None:
        assert (await register(client, full_name="  Ann \n")).json()["full_name"] == "Ann"

    async def test_white_space_in_the_password_counts(self, client: AsyncClient) -> None:
        """A password is taken exactly as it comes (ASVS 6.2.8)."""
        await register(client, password="  spaces  ")
        assert await token_of(client, ANN["email"], "  spaces  ")
        trimmed = {"grant_type": "password", "username": ANN["email"], "password": "spaces"}
        assert (await client.post("/auth/token", data=trimmed)).status_code == 400

    @pytest.mark.parametrize(
        "address",
        ["Ann@Example.COM", "ann@bücher.example.com", "ann@xn--bcher-kva.example.com", "a\u0308nn@example.com"],
        ids=["letter case", "international domain", "domain in punycode", "decomposed umlaut"],
    )
    async def test_one_signs_in_with_the_address_as_one_registered_it(self, client: AsyncClient, address: str) -> None:
        assert (await register(client, email=address)).status_code == 201
        assert await token_of(client, address, ANN["password"])

    @pytest.mark.parametrize(
        "fields",
        [{"full_name": "x"}, {"full_name": "💡" * 200}, {"password": "8 signs."}, {"password": "né" * 128}],
        ids=["shortest name", "longest name", "shortest password", "longest password"],
    )
    async def test_accepts_what_is_just_within_the_limits(self, client: AsyncClient, fields: dict[str, str]) -> None:
        answer = await register(client, **fields)
        assert answer.status_code == 201, answer.text


class TestTakenAddress:
    @pytest.mark.parametrize("address", ["ann@example.com", "ANN@Example.com"], ids=["same", "other letter case"])
    async def test_is_a_conflict(self, client: AsyncClient, address: str) -> None:
        await register(client)
        answer = await register(client, email=address, full_name="Another")
        assert answer.status_code == 409
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "email_taken"
        assert address not in answer.text

    async def test_is_taken_by_a_deactivated_account_too(self, client: AsyncClient) -> None:
        await UserFactory.saved(email=ANN["email"], is_active=False)
        assert (await register(client)).json()["code"] == "email_taken"

    async def test_is_free_again_when_its_account_was_deleted(self, client: AsyncClient, signed_in: SignIn) -> None:
        former = await signed_in(email=ANN["email"])
        await former.delete("/users/me")
        again = await register(client)
        assert again.status_code == 201
        assert again.json()["id"] != str(former.id)


class TestRefusedInput:
    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            pytest.param({"email": "no-address"}, "/email", id="no e-mail address"),
            pytest.param({"email": "ann@example.com, bob@example.com"}, "/email", id="two e-mail addresses"),
            pytest.param({"email": ""}, "/email", id="empty e-mail address"),
            pytest.param({"email": f"{'a' * 243}@example.com"}, "/email", id="long e-mail address"),
            pytest.param({"email": "m\u0130ke@example.com"}, "/email", id="dotted I, which PostgreSQL folds to i"),
            pytest.param({"email": "mI\u0307ke@example.com"}, "/email", id="dotted I, decomposed"),
            pytest.param({"email": "ann\0@example.com"}, "/email", id="NUL in the e-mail address"),
            pytest.param({"email": None}, "/email", id="null as e-mail address"),
            pytest.param({"password": "7 chars"}, "/password", id="short password"),
            pytest.param({"password": "x" * 257}, "/password", id="long password"),
            pytest.param({"password": "NUL \0 in it"}, "/password", id="NUL in the password"),
            pytest.param({"password": 1234567890}, "/password", id="a number as password"),
            pytest.param({"full_name": ""}, "/full_name", id="empty name"),
            pytest.param({"full_name": " \t\n"}, "/full_name", id="blank name"),
            pytest.param({"full_name": "x" * 201}, "/full_name", id="long name"),
            pytest.param({"full_name": "An\0n"}, "/full_name", id="NUL in the name"),
            pytest.param({"role": "admin"}, "/role", id="a role"),
            pytest.param({"is_active": True}, "/is_active", id="activation"),
            pytest.param({"email_verified": True}, "/email_verified", id="verification"),
            pytest.param({"surprise": 1}, "/surprise", id="unknown field"),
        ],
    )
    async def test_is_pointed_at(self, client: AsyncClient, fields: dict[str, Any], pointer: str) -> None:
        answer = await register(client, **fields)
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "invalid_input"
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

    @pytest.mark.parametrize("field", ["email", "password", "full_name"])
    async def test_a_missing_field_is_pointed_at(self, client: AsyncClient, field: str) -> None:
        answer = await client.post("/users", json={key: value for key, value in ANN.items() if key != field})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]

    @pytest.mark.parametrize("field", ["email", "password", "full_name"])
    async def test_half_a_character_is_refused(self, client: AsyncClient, field: str) -> None:
        """JSON can write a lone surrogate, which UTF-8 and PostgreSQL cannot."""
        body = json.dumps(ANN | {field: ANN[field] + "\ud800"})
        answer = await client.post("/users", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("password", "hunter2"),
            ("password", "hunter2\0 and more"),
            ("password", "hunter2 " * 40),
            ("email", "hunter2"),
            ("full_name", "hunter2 " * 40),
            ("hunter", "hunter2"),
        ],
    )
    async def test_the_rejected_value_is_never_echoed(self, client: AsyncClient, field: str, value: str) -> None:
        answer = await register(client, **{field: value})
        assert answer.status_code == 422
        assert "hunter2" not in answer.text

    async def test_an_accepted_password_is_not_echoed_beside_a_rejected_field(self, client: AsyncClient) -> None:
        answer = await register(client, email="no-address", surprise=1)
        assert answer.status_code == 422
        assert ANN["password"] not in answer.text

    async def test_makes_no_account(self, client: AsyncClient) -> None:
        await register(client, surprise=1)
        assert (await register(client)).status_code == 201
