"""The pages in a browser: clicked through, signed in to, tried out. No complaint, no outside request, nothing kept."""

import asyncio
from typing import Any

import pytest

from app.pages.markdown import chapters
from tests.pages.browser import chromium, needs_chromium, watched
from tests.patience import eventually

pytestmark = needs_chromium

PHONE: dict[str, Any] = {
    "viewport": {"width": 375, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
SCREENS = {"phone": PHONE, "desk": DESK}
COLOURS = {"phone": "dark", "desk": "light"}
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
async def browser():
    async with chromium() as browser:
        yield browser


async def register(server, email):
    person = {"email": email, "password": PASSWORD, "full_name": "Ann"}
    assert server.post("/api/v1/users", json=person).status_code == 201


async def sign_in(page, email):
    await page.fill("#sign-in [name=email]", email)
    await page.fill("#sign-in [name=password]", PASSWORD)
    await page.click("#sign-in button")
    await page.wait_for_selector(f"text=Signed in as {email}.")


async def try_out(page, operation, body=None):
    """Open an operation, send it, and give the status that is shown."""
    block = page.locator(f"#operations-{operation}")
    await block.locator(".opblock-summary-control").click()
    await block.locator(".try-out__btn").click()
    if body is not None:
        await block.locator("textarea.body-param__text").fill(body)
    await block.locator(".execute").click()
    return await block.locator(".live-responses-table .response-col_status").last.inner_text()


async def told(condition):
    """Wait for what the browser will say."""
    await asyncio.to_thread(eventually, condition)


async def is_at_peace(seen):
    """Nothing complained, and the server alone was asked. Of something, that is."""
    await seen.page.evaluate("0")  # What the browser has to say comes before the answer.
    assert seen.complaints == []
    assert seen.outside == []
    assert seen.requests


class TestEveryPage:
    @pytest.mark.parametrize(("screen", "colours"), [("phone", "light"), ("desk", "dark")])
    async def test_is_reached_by_clicks_and_fits_the_screen(self, browser, server, screen, colours):
        async with watched(browser, server.url, color_scheme=colours, **SCREENS[screen]) as seen:
            name = f"{{}}-{screen}-{colours}".format
            await seen.open("/")
            await seen.look(name("entry"))
            for link in ("Guide", "Problems", "Changelog", "Reference"):
                await seen.page.click(f"header >> text={link}")
                await seen.page.wait_for_load_state("networkidle")
                await seen.look(name(link.lower()))
            await seen.page.click("header >> text=Guide")
            for chapter in chapters().values():
                await seen.page.click(f"main >> role=link[name='{chapter.title}']")
                await seen.page.wait_for_url(f"**/docs/guide/{chapter.name}")
                await seen.look(name(f"guide-{chapter.name}"))
            await seen.page.click("header >> text=Problems")
            await seen.page.click("text=version_mismatch")
            await seen.page.wait_for_url("**/problems/version_mismatch")
            await seen.look(name("problem"))
            await is_at_peace(seen)
            assert await seen.kept() == []

    async def test_has_commands_that_name_the_server_it_came_from(self, browser, server):
        async with watched(browser, server.url) as seen:
            await seen.open("/")
            assert f"API={server.url}/api/v1" in await seen.page.inner_text("pre >> nth=0")

    async def test_is_read_without_scripts(self, browser, server):
        async with watched(browser, server.url, java_script_enabled=False) as seen:
            await seen.open("/docs/guide/changing")
            assert "If-Match" in await seen.page.inner_text("main")


class TestTheReference:
    @pytest.mark.parametrize("screen", SCREENS)
    async def test_signs_in_tries_operations_out_and_keeps_nothing(self, browser, server, screen):
        email = f"{screen}@example.com"
        await register(server, email)
        async with watched(browser, server.url, color_scheme=COLOURS[screen], **SCREENS[screen]) as seen:
            page = seen.page
            await seen.open("/docs")
            await sign_in(page, email)
            await seen.look(f"signed-in-{screen}", whole=False)
            assert await try_out(page, "tags-tags_create", '{"name": "Garden"}') == "201"
            assert await try_out(page, "tags-tags_list") == "200"
            await seen.look(f"tried-out-{screen}", whole=False)
            assert '"slug": "garden"' in await page.inner_text("#operations-tags-tags_list .live-responses-table")
            await is_at_peace(seen)
            assert await seen.kept() == []
            await page.reload(wait_until="networkidle")
            assert await page.input_value("#sign-in [name=password]") == ""
            await page.click(".btn.authorize")
            assert await page.locator(".auth-btn-wrapper >> text=Logout").count() == 0

    async def test_signs_out_and_says_what_is_wrong_with_a_sign_in(self, browser, server):
        await register(server, "out@example.com")
        async with watched(browser, server.url) as seen:
            page = seen.page
            await seen.open("/docs")
            await sign_in(page, "out@example.com")
            await page.click("#sign-out")
            await page.wait_for_selector("text=Signed out.")
            assert await try_out(page, "tags-tags_list") == "401"
            await page.fill("#sign-in [name=email]", "out@example.com")
            await page.fill("#sign-in [name=password]", "wrong")
            await page.click("#sign-in button")
            await page.wait_for_selector("text=The e-mail address or the password is not right.")

    async def test_asks_for_nothing_that_the_server_does_not_take(self, browser, server):
        """A code only from who has a second factor."""
        async with watched(browser, server.url) as seen:
            await seen.open("/docs")
            await seen.page.wait_for_selector("#sign-in [name=password]")
            inputs = seen.page.locator("#sign-in input:visible")
            assert [await field.get_attribute("name") for field in await inputs.all()] == ["email", "password"]

    async def test_opens_at_the_operation_that_a_link_names(self, browser, server):
        async with watched(browser, server.url) as seen:
            await seen.open("/docs#/users/users_register")
            await seen.page.wait_for_selector("#operations-users-users_register .opblock-body")
            await is_at_peace(seen)


class TestTheEye:
    async def test_sees_complaints_and_requests_elsewhere_and_what_is_kept(self, browser, server):
        """The checks above do look at something."""
        async with watched(browser, server.url) as seen:
            await seen.open("/health/live")
            await seen.page.evaluate("localStorage.setItem('token', 'secret'); document.cookie = 'token=secret'")
            assert len(await seen.kept()) == 2
            await seen.page.goto("about:blank")
            await seen.page.evaluate("console.error('No.'); setTimeout(() => { throw new Error('Oh.') })")
            await seen.page.evaluate("fetch('http://127.0.0.1:1/').catch(() => null)")
            await told(lambda: seen.outside == ["http://127.0.0.1:1/"] and len(seen.complaints) == 3)

    async def test_sees_a_script_that_a_page_may_not_have(self, browser, server):
        async with watched(browser, server.url) as seen:
            await seen.open("/")
            await seen.page.evaluate(
                "document.body.append(Object.assign(document.createElement('script'), {text: 'x'}))"
            )
            await told(lambda: "Content Security Policy" in "".join(seen.complaints))
