"""Passkeys in a real browser, whose authenticator is virtual (DevTools protocol, domain WebAuthn)."""

import pytest

from tests.database import clone
from tests.pages.browser import chromium, needs_chromium, watched
from tests.servers import free_port, serving

pytestmark = needs_chromium

ANN = {"email": "ann@example.com", "password": "correct horse battery"}
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
ASK = """
    const ask = async (path, body, token) => {
        const headers = {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})};
        const answer = await fetch(`/api/v1${path}`, {method: "POST", headers, body: JSON.stringify(body)});
        return [answer.status, await answer.json()];
    };
"""
REGISTER = f"""async token => {{
    {ASK}
    const [, options] = await ask("/auth/passkeys/options", undefined, token);
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({{publicKey}});
    return await ask("/auth/passkeys", {{name: "Chromium", credential: credential.toJSON()}}, token);
}}"""
SIGN_IN = f"""async () => {{
    {ASK}
    const [, options] = await ask("/auth/sessions/passkey/options");
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({{publicKey}});
    return await ask("/auth/sessions/passkey", {{credential: credential.toJSON()}});
}}"""
"""What a page does: nothing but what the specification has, and what we answer."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server that knows where people open it. A passkey belongs to a name, so its own address is one: localhost."""
    port = free_port()
    url = f"http://localhost:{port}"
    with (
        clone("passkeys") as database,
        serving(
            tmp_path_factory.mktemp("passkeys"), DATABASE_URL=database, PORT=str(port), TRELLIS_PUBLIC_URL=url
        ) as server,
    ):
        assert server.post("/api/v1/users", json={**ANN, "full_name": "Ann"}).status_code == 201
        yield server, url


class TestAPasskey:
    async def test_is_registered_and_signs_in_again_and_again_without_a_password(self, site):
        server, url = site
        token = server.post("/api/v1/auth/sessions", json=ANN).json()["access_token"]
        async with chromium() as browser, watched(browser, url) as page:
            devtools = await page.page.context.new_cdp_session(page.page)
            await devtools.send("WebAuthn.enable")
            added = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
            await page.open("/docs")
            status, registered = await page.page.evaluate(REGISTER, token)
            assert (status, registered["factor"]["name"]) == (201, "Chromium"), registered
            answers = [await page.page.evaluate(SIGN_IN) for _ in range(2)]
            assert [status for status, _ in answers] == [201, 201], answers
            (kept,) = (await devtools.send("WebAuthn.getCredentials", added))["credentials"]
            assert kept["isResidentCredential"]
            assert kept["signCount"] > 0
        me = {"Authorization": f"Bearer {answers[1][1]['access_token']}"}
        assert server.get("/api/v1/users/me", headers=me).json()["email"] == ANN["email"]
        refused = server.post("/api/v1/auth/sessions", json=ANN)
        assert (refused.status_code, refused.json()["factors"]) == (401, ["passkey", "recovery_code"])
