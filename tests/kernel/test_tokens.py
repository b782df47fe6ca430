"""Access tokens: what is issued is verified, and nothing else is."""

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import jwt
import pytest
from uuid_utils.compat import uuid7

from shared.auth.tokens import ALGORITHM, AUDIENCE, ISSUER, SKEW_SECONDS, TYPE, AccessTokens, Claims, InvalidToken

KEY = b"a key for tests, 32 bytes or more"
USER, SESSION = uuid7(), uuid7()


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens([KEY], lifetime_seconds=900)


def signed(*, key: bytes = KEY, typ: str | None = TYPE, without: str | None = None, **changes: Any) -> str:
    """A token as we sign it, but for the changes."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(USER), "sid": str(SESSION), "iat": now, "exp": now + 900}
    claims = {name: value for name, value in (claims | changes).items() if name != without}
    return jwt.encode(claims, key, ALGORITHM, {"typ": typ})


class TestIssue:
    def test_the_token_tells_the_account_and_the_session(self, tokens: AccessTokens) -> None:
        claims = tokens.verify(tokens.issue(USER, SESSION))
        assert (claims.user_id, claims.session_id) == (USER, SESSION)
        assert isinstance(claims.user_id, UUID)

    def test_it_is_good_for_the_lifetime(self, tokens: AccessTokens) -> None:
        claims = jwt.decode(tokens.issue(USER, SESSION), KEY, [ALGORITHM], issuer=ISSUER, audience=AUDIENCE)
        assert claims["exp"] - claims["iat"] == tokens.lifetime_seconds == 900

    def test_it_says_that_it_is_an_access_token(self, tokens: AccessTokens) -> None:
        """RFC 9068 §2.1."""
        assert jwt.get_unverified_header(tokens.issue(USER, SESSION)) == {"alg": "HS256", "typ": "at+jwt"}

    def test_it_says_no_more_than_it_must(self, tokens: AccessTokens) -> None:
        """Anybody who holds it can read it: no role, no address."""
        claims = jwt.decode(tokens.issue(USER, SESSION), options={"verify_signature": False})
        assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp"}


class TestVerify:
    def test_takes_a_token_that_another_replica_signed(self, tokens: AccessTokens) -> None:
        issued = AccessTokens([KEY], lifetime_seconds=60).issue(USER, SESSION)
        claims = tokens.verify(issued)
        assert claims == Claims(USER, SESSION, claims.expires_at)

    def test_the_tokens_made_here_for_the_refusals_are_good_but_for_their_change(self, tokens: AccessTokens) -> None:
        assert tokens.verify(signed()).session_id == SESSION

    @pytest.mark.parametrize("garbage", ["", ".", "..", "a.b.c", "garbage", "ä.ö.ü", "💡", "\0", "x" * 100_000])
    def test_refuses_garbage(self, tokens: AccessTokens, garbage: str) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(garbage)

    def test_refuses_another_key(self, tokens: AccessTokens) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(signed(key=b"another key for tests, 32 bytes or more"))

    @pytest.mark.parametrize("place", [0, 1, 2], ids=["header", "claims", "signature"])
    def test_refuses_a_token_that_was_changed(self, tokens: AccessTokens, place: int) -> None:
        parts = tokens.issue(USER, SESSION).split(".")
        parts[place] = parts[place][:4] + ("B" if parts[place][4] == "A" else "A") + parts[place][5:]
        with pytest.raises(InvalidToken):
            tokens.verify(".".join(parts))

    def test_refuses_the_claims_of_one_token_under_the_signature_of_another(self, tokens: AccessTokens) -> None:
        header, _, signature = tokens.issue(USER, SESSION).split(".")
        _, claims, _ = tokens.issue(uuid7(), SESSION).split(".")
        with pytest.raises(InvalidToken):
            tokens.verify(f"{header}.{claims}.{signature}")

    def test_refuses_a_token_without_a_signature(self, tokens: AccessTokens) -> None:
        """RFC 8725 §3.1."""
        claims = jwt.decode(signed(), options={"verify_signature": False})
        with pytest.raises(InvalidToken):
            tokens.verify(jwt.encode(claims, "", "none", {"typ": TYPE}))

    def test_refuses_another_algorithm_with_the_same_key(self, tokens: AccessTokens) -> None:
        claims = jwt.decode(signed(), options={"verify_signature": False})
        with pytest.raises(InvalidToken):
            tokens.verify(jwt.encode(claims, KEY * 2, "HS512", {"typ": TYPE}))
        with pytest.raises(InvalidToken):
            AccessTokens([KEY * 2], 900).verify(jwt.encode(claims, KEY * 2, "HS512", {"typ": TYPE}))

    @pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "iat", "exp"])
    def test_refuses_a_token_that_lacks_a_claim(self, tokens: AccessTokens, claim: str) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(signed(without=claim))

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "another"},
            {"aud": "another"},
            {"aud": ["another"]},
            {"aud": [AUDIENCE, "another"]},
            {"aud": None},
            {"aud": 7},
            {"sub": "no uuid"},
            {"sub": 7},
            {"sid": "no uuid"},
            {"sid": None},
            {"sid": 7},
            {"sid": ["0198a5b0-0000-7000-8000-000000000000"]},
            {"exp": "soon"},
            {"iat": 32_503_680_000},
        ],
        ids=str,
    )
    def test_refuses_claims_that_are_not_as_we_make_them(self, tokens: AccessTokens, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(signed(**changes))

    @pytest.mark.parametrize("typ", ["JWT", None, "jwt", "id+jwt", "AT+JWT", ""])
    def test_refuses_another_type(self, tokens: AccessTokens, typ: str | None) -> None:
        """RFC 9068 §4: no other JWT is taken for an access token."""
        with pytest.raises(InvalidToken):
            tokens.verify(signed(typ=typ))

    @pytest.mark.parametrize("ahead", [1, 3, SKEW_SECONDS - 5])
    def test_takes_one_that_a_replica_issued_whose_clock_is_ahead(self, tokens: AccessTokens, ahead: int) -> None:
        assert tokens.verify(signed(iat=int(time.time()) + ahead)).user_id == USER

    def test_refuses_one_that_is_issued_in_the_future(self, tokens: AccessTokens) -> None:
        with pytest.raises(InvalidToken):
            tokens.verify(signed(iat=int(time.time()) + SKEW_SECONDS + 60))

    @pytest.mark.parametrize("ago", [0, 1, SKEW_SECONDS - 5])
    def test_gives_no_leeway_to_the_end(self, tokens: AccessTokens, ago: int) -> None:
        now = int(time.time())
        with pytest.raises(InvalidToken):
            tokens.verify(signed(iat=now - 900, exp=now - ago))

    def test_refuses_an_expired_token(self, tokens: AccessTokens) -> None:
        now = int(time.time())
        with pytest.raises(InvalidToken):
            tokens.verify(signed(iat=now - 901, exp=now - 1))

    def test_a_token_expires_though_it_was_found_good_before(
        self, tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is remembered of it is the signature."""
        token = tokens.issue(USER, SESSION)
        expires_at = tokens.verify(token).expires_at
        monkeypatch.setattr("shared.auth.tokens.time", SimpleNamespace(time=lambda: expires_at - 0.5))
        assert tokens.verify(token).user_id == USER
        monkeypatch.setattr("shared.auth.tokens.time", SimpleNamespace(time=lambda: float(expires_at)))
        with pytest.raises(InvalidToken):
            tokens.verify(token)

    def test_a_bad_token_stays_bad(self, tokens: AccessTokens) -> None:
        for _ in range(2):
            with pytest.raises(InvalidToken):
                tokens.verify("garbage")
