"""Accounts as any client gets them: registered and signed in over HTTP."""

from dataclasses import dataclass

import httpx2
import jwt

from benchmarks.servers import PREFIX, SECRET, Contestant, Server

PASSWORD = "correct horse battery"  # noqa: S105 (of a database that is thrown away)


@dataclass(frozen=True)
class Account:
    """Somebody who is signed in."""

    id: str
    session_id: str
    token: str
    """Trellis's own."""
    peer_token: str
    """The same for the peers, who sign with the secret itself and know no audience."""

    @property
    def headers(self) -> dict[str, str]:
        """What a request of theirs to Trellis carries."""
        return {"Authorization": f"Bearer {self.token}"}

    def token_for(self, contestant: Contestant) -> str:
        """The token that this server takes."""
        return self.token if contestant.is_trellis else self.peer_token


def register(server: Server, name: str) -> Account:
    """Register somebody, and sign them in."""
    email = f"{name}@example.org"
    profile = {"email": email, "password": PASSWORD, "full_name": name.capitalize()}
    httpx2.post(f"{server.url}{PREFIX}/users", json=profile).raise_for_status()
    body = {"email": email, "password": PASSWORD}
    answer = httpx2.post(f"{server.url}{PREFIX}/auth/sessions", json=body).raise_for_status()
    token = answer.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for_peers = {name: claims[name] for name in ("iss", "sub", "sid", "iat", "exp")}
    return Account(claims["sub"], claims["sid"], token, jwt.encode(for_peers, SECRET, "HS256"))
