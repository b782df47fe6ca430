"""`trellis module docs`: all that a manifest leads to is said, and all modules are in the picture."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from app.development.checking import Tree
from app.development.docs import description, docs_command, picture
from shared.manifest import Module, discover
from shared.rows.models import owners

MODULES = discover()


def printed(*arguments):
    result = CliRunner().invoke(docs_command, arguments)
    assert result.exit_code == 0, result.output
    return result.output


class TestAModule:
    @pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
    def test_is_described_with_its_routes_tables_and_events(self, module):
        page = printed(module.name)
        assert page.startswith(f"## {module.name}\n")
        for route in module.router.routes:
            assert f"{route.path}`" in page
        for table, owner in owners().items():
            assert (f"- `{table}`:" in page) == (owner == module.name)
        for event in (*module.publishes, *module.handles):
            assert event.__name__ in page
        for name in module.requires:
            assert f"- {name}\n" in page

    def test_tells_who_may_what_which_columns_are_secret_and_what_anybody_may(self):
        page = printed("users")
        assert "- users: admin, self may change\n" in page
        assert "password_hash (secret)" in page
        assert "- `POST /api/v1/users` (public): Register an account. " in page
        assert "- `trellis users promote`: Make the account with this e-mail address an administrator." in page

    def test_tells_its_jobs_and_settings(self):
        """As far as its manifest has them."""

        settings = SimpleNamespace(
            model_config={"env_prefix": "trellis_users_"},
            model_fields={"longest": SimpleNamespace(description="How long.")},
        )
        (module,) = [module for module in MODULES if module.name == "users"]
        event, daily = module.publishes[0], SimpleNamespace(every="day", method=print)
        more = SimpleNamespace(**vars(module) | {"later": {event: print}, "periodic": (daily,), "settings": settings})
        page = description(cast("Module", more), Tree({}))
        assert f"**Jobs**\n\n- `{event.__name__}`, later, by `print`\n- every day, by `print`" in page
        assert "**Settings**\n\n- `TRELLIS_USERS_LONGEST`: How long." in page

    def test_that_is_not_there_is_named(self):
        result: Any = CliRunner().invoke(docs_command, ["nobody"])
        assert result.exit_code == 2
        assert "There is no module 'nobody'." in result.output


class TestThePicture:
    def test_has_every_module_and_what_it_requires_and_hears(self):
        page = printed()
        assert picture(MODULES) in page
        for module in MODULES:
            assert f"\n    {module.name}\n" in page
            assert f"\n## {module.name}\n" in page
            for name in module.requires:
                assert f"\n    {module.name} --> {name}\n" in page
            for event in module.handles:
                assert f" -. {event.__name__} .-> {module.name}\n" in page
