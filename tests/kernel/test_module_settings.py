"""The settings of a module: read from the environment, given to its container, told to operators."""

from uuid import uuid4

import pytest
from click.testing import CliRunner
from dependency_injector import containers, providers
from fastapi import APIRouter
from pydantic import Field, SecretStr

from app import cli
from app.container import compose
from shared.manifest import ManifestError, Module, discover
from shared.settings import ModuleSettings, SettingsError, settings_of, strangers


class InvoiceSettings(ModuleSettings):
    due_days: int = Field(14, ge=1, le=365)
    """How long a customer has to pay."""
    currencies: list[str] = Field(["EUR"])
    key: SecretStr


class InvoiceService:
    def __init__(self, settings: InvoiceSettings) -> None:
        self.settings = settings


class InvoicesContainer(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()
    settings = providers.Dependency(instance_of=InvoiceSettings)

    service = providers.Factory(InvoiceService, settings)


INVOICES = Module(name="invoices", container=InvoicesContainer, router=APIRouter(), settings=InvoiceSettings)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TRELLIS_INVOICES_KEY", "hunter2")


class TestTheSettings:
    def test_come_to_the_container_from_the_environment(self, monkeypatch, settings):
        monkeypatch.setenv("TRELLIS_INVOICES_DUE_DAYS", "30")
        monkeypatch.setenv("TRELLIS_INVOICES_CURRENCIES", '["EUR", "CHF"]')
        given = compose(settings, [INVOICES]).containers["invoices"].service().settings
        assert (given.due_days, given.currencies, given.key.get_secret_value()) == (30, ["EUR", "CHF"], "hunter2")

    def test_are_read_once(self, monkeypatch, settings):
        container = compose(settings, [INVOICES]).containers["invoices"]
        monkeypatch.setenv("TRELLIS_INVOICES_DUE_DAYS", "30")
        assert container.service().settings is container.service().settings
        assert container.service().settings.due_days == 14

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("TRELLIS_INVOICES_DUE_DAYS", "secret"),
            ("TRELLIS_INVOICES_DUE_DAYS", "0"),
            ("TRELLIS_INVOICES_CURRENCIES", "[secret"),
            ("TRELLIS_INVOICES_CURRENCIES", '"secret"'),
            ("TRELLIS_INVOICES_KEY", ""),
        ],
    )
    def test_that_are_wrong_stop_the_start_with_a_sentence_that_names_the_variable(
        self, monkeypatch, settings, variable, value
    ):
        monkeypatch.setenv(variable, value)
        with pytest.raises(SettingsError) as refused:
            compose(settings, [INVOICES])
        (sentence,) = str(refused.value).splitlines()
        assert sentence.startswith(f"{variable} ")
        assert "secret" not in sentence

    def test_all_that_are_wrong_are_told(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_INVOICES_DUE_DAYS", "x")
        monkeypatch.delenv("TRELLIS_INVOICES_KEY")
        with pytest.raises(SettingsError) as refused:
            settings_of(InvoiceSettings, "invoices")
        told = [line.split()[0] for line in str(refused.value).splitlines()]
        assert told == ["TRELLIS_INVOICES_DUE_DAYS", "TRELLIS_INVOICES_KEY"]

    def test_are_no_strangers(self):
        given = {"TRELLIS_INVOICES_DUE_DAYS": "1", "TRELLIS_INVOICES_DUE_DAY": "1"}
        assert list(strangers(given, INVOICES.variables())) == [
            "TRELLIS_INVOICES_DUE_DAY is no setting of this version. Is TRELLIS_INVOICES_DUE_DAYS meant?"
        ]

    def test_are_told_by_help_without_values(self, monkeypatch):
        monkeypatch.setattr(cli.trellis, "epilog", cli._told_settings([INVOICES]))
        told = CliRunner().invoke(cli.trellis, ["--help"]).output
        assert "TRELLIS_INVOICES_DUE_DAYS  How long a customer has to pay. (by default 14)" in told
        assert "TRELLIS_INVOICES_KEY" in told
        assert "(required)" in told
        assert "hunter2" not in told

    def test_of_no_module_are_no_paragraph(self):
        assert cli._told_settings([Module(name="plain", container=InvoicesContainer, router=APIRouter())]) is None


PLANTED = """
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from fastapi import APIRouter
from shared.manifest import ManifestError, Module, discover
from shared.settings import ModuleSettings

class Planted(ModuleSettings):
    {field}: int = 1

class Container(DeclarativeContainer):
    {provider}

module = Module(name="{name}", container=Container, router=APIRouter(), settings=Planted)
"""
TAKES = "settings = providers.Dependency(instance_of=Planted)"


class TestDiscovery:
    @pytest.fixture
    def refusal(self, tmp_path, monkeypatch):
        """The sentence that stops the start with these modules: name, field of the settings, provider."""

        def told(*modules):
            package = f"planted_{uuid4().hex}"
            for name, field, provider in modules:
                folder = tmp_path / package / name
                folder.mkdir(parents=True)
                for init in (folder, folder.parent):
                    (init / "__init__.py").touch()
                (folder / "module.py").write_text(PLANTED.format(name=name, field=field, provider=provider))
            monkeypatch.syspath_prepend(tmp_path)
            with pytest.raises(ManifestError) as refused:
                discover(package)
            return str(refused.value)

        return told

    def test_refuses_settings_that_the_container_does_not_take(self, refusal):
        assert refusal(("notes", "days", "pass")) == (
            "Module 'notes' has settings, and its container does not take them: "
            "settings = providers.Dependency(instance_of=Planted)."
        )

    def test_refuses_a_setting_with_the_variable_of_the_kernels(self, refusal):
        assert (
            refusal(("pool", "size", TAKES))
            == "Module 'pool': its setting TRELLIS_POOL_SIZE is one of the kernel, too."
        )

    def test_refuses_a_setting_with_the_variable_of_another_module(self, refusal):
        assert refusal(("a", "b_days", TAKES), ("a_b", "days", TAKES)) == (
            "Module 'a_b': its setting TRELLIS_A_B_DAYS is one of module 'a', too."
        )
