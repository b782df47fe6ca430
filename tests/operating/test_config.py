"""`trellis config`: every setting, its value, where that comes from and what it means."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from app.operating import config_command
from app.operating.config import MASK, masked, shown_settings
from shared.manifest import discover
from shared.settings import ModuleSettings, Settings, SettingsError, variables_of
from tests.kernel.test_module_settings import INVOICES

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path) -> None:
    for name in ("DATABASE_URL", "PORT", "TRELLIS_SECRET", "TRELLIS_ENVIRONMENT", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))


def config(*arguments: str) -> Result:
    return CliRunner().invoke(config_command([]), [*arguments])


def shown(variable: str, *modules) -> dict[str, object]:
    (one,) = [one for one in shown_settings(modules) if one.variable == variable]
    return one._asdict()


class TestEverySetting:
    @pytest.mark.parametrize("variable", variables_of(Settings))
    def test_of_the_kernel_has_a_meaning(self, variable):
        assert variables_of(Settings)[variable].description

    def test_of_modules_has_a_meaning(self):
        for module in discover():
            for variable, field in module.variables().items():
                assert field.description, f"{variable} has no docstring."

    def test_is_told_once(self):
        told = [one["variable"] for one in json.loads(config("--json").stdout)]
        assert {*variables_of(Settings), "FORWARDED_ALLOW_IPS", "TMPDIR"} <= {*told}
        assert len(told) == len({*told})

    def test_is_told_in_lines_for_people(self):
        lines = config().stdout.splitlines()
        at = lines.index("TRELLIS_POOL_SIZE = 10  (default; kernel)")
        assert lines[at + 1] == "    Connections to PostgreSQL for each of the two lanes, reads and writes."


class TestAValue:
    def test_comes_from_the_environment_or_is_the_default(self, monkeypatch):
        assert (shown("TRELLIS_POOL_SIZE")["value"], shown("TRELLIS_POOL_SIZE")["source"]) == (10, "default")
        monkeypatch.setenv("trellis_pool_size", "7")
        assert (shown("TRELLIS_POOL_SIZE")["value"], shown("TRELLIS_POOL_SIZE")["source"]) == (7, "environment")

    def test_that_is_empty_is_not_given(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_POOL_SIZE", "")
        assert shown("TRELLIS_POOL_SIZE")["source"] == "default"

    def test_that_follows_from_another_is_the_one_that_holds(self, monkeypatch):
        assert shown("TRELLIS_ENVIRONMENT")["value"] == "development"
        monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
        assert shown("TRELLIS_ENVIRONMENT")["value"] == "production"

    def test_of_a_module_names_the_module(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_INVOICES_KEY", "hunter2")
        days = shown("TRELLIS_INVOICES_DUE_DAYS", INVOICES)
        assert (days["value"], days["of"], days["source"]) == (14, "module invoices", "default")
        assert days["meaning"] == "How long a customer has to pay."

    def test_that_others_read_is_told_too(self, monkeypatch):
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.0/8")
        monkeypatch.setenv("PGPASSWORD", "hunter2")
        assert shown("FORWARDED_ALLOW_IPS")["value"] == "10.0.0.0/8"
        assert shown("PGPASSWORD")["value"] == MASK
        monkeypatch.setenv("PGSSLMODE", "require")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
        assert (shown("PGSSLMODE")["value"], shown("PGSSLMODE")["of"]) == ("require", "libpq")
        assert shown("OTEL_EXPORTER_OTLP_ENDPOINT")["value"] == "http://collector:4318"

    def test_that_is_wrong_is_refused_by_its_name(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_POOL_SIZE", "hunter2")
        with pytest.raises(SettingsError, match=r"^TRELLIS_POOL_SIZE "):
            [*shown_settings([])]

    def test_that_no_setting_has_is_told_apart(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_POLL_SIZE", "hunter2")
        done = config()
        assert "TRELLIS_POLL_SIZE is no setting of this version. Is TRELLIS_POOL_SIZE meant?" in done.stderr
        assert "hunter2" not in done.output


class TestASecret:
    @pytest.fixture
    def secrets(self, monkeypatch) -> list[str]:
        """In each place where there can be one."""
        url = "postgresql://ann:hunter2@h:5432/d?sslmode=require&password=hunter3&sslpassword=hunter4"
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("TRELLIS_SECRET", SECRET)
        monkeypatch.setenv("TRELLIS_INVOICES_KEY", "hunter5")
        monkeypatch.setenv("PGPASSWORD", "hunter6")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter7")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ann:hunter8@collector:4318")
        monkeypatch.setenv("PGBACKREST_REPO1_CIPHER_PASS", "hunter9")  # Of another program.
        return ["hunter", SECRET]

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_is_never_told(self, secrets, options):
        done = CliRunner().invoke(config_command([INVOICES]), options)
        assert done.exit_code == 0
        for secret in secrets:
            assert secret not in done.output

    def test_leaves_the_rest_of_a_url_readable(self, secrets):
        told = shown("DATABASE_URL")["value"]
        assert told == f"postgresql://ann:{MASK}@h:5432/d?sslmode=require&password={MASK}&sslpassword={MASK}"

    def test_is_told_to_be_there(self, secrets):
        assert (shown("TRELLIS_SECRET")["value"], shown("TRELLIS_SECRET")["source"]) == (MASK, "environment")

    def test_that_was_made_names_its_file(self, tmp_path):
        assert shown("TRELLIS_SECRET")["value"] is None
        Settings.load().with_secret()
        told = shown("TRELLIS_SECRET")
        assert (told["value"], told["source"]) == (MASK, str(tmp_path / "data" / "secret"))

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("postgresql://ann:p%40ss@a:1,b:2/d", f"postgresql://ann:{MASK}@a:1,b:2/d"),
            ("postgresql://ann:p?ss@h/d", f"postgresql://ann:{MASK}@h/d"),
            ("postgresql://ann@h/d?%70assword=x", f"postgresql://ann@h/d?%70assword={MASK}"),
            ("postgresql://h:5432/d", "postgresql://h:5432/d"),
            ("https://key:value@host/?api_key=x&a=b", f"https://key:{MASK}@host/?api_key={MASK}&a=b"),
            ("no: url@all", "no: url@all"),
            (
                "postgresql://a@h/d?sslmode=require postgresql://b:x@i/d postgresql://c@j/d?password=x",
                f"postgresql://a@h/d?sslmode=require postgresql://b:{MASK}@i/d postgresql://c@j/d?password={MASK}",
            ),
        ],
    )
    def test_is_masked_in_any_url(self, url, told):
        assert masked(url) == told

    def test_of_a_module_may_be_a_url(self):
        class MailSettings(ModuleSettings):
            server: str = "smtp://ann:hunter2@mail"
            """Where mail goes."""
            key: SecretStr = SecretStr("hunter2")
            """Signs it."""

        told = {one.variable: one.value for one in shown_settings([replace(INVOICES, settings=MailSettings)])}
        assert told["TRELLIS_INVOICES_SERVER"] == f"smtp://ann:{MASK}@mail"
        assert told["TRELLIS_INVOICES_KEY"] == MASK
