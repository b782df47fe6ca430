"""Settings from the environment."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.settings import Settings, SettingsError

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in ("DATABASE_URL", "PORT", "TRELLIS_SECRET", "TRELLIS_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))


class TestTheSecret:
    def test_is_required_in_production(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        with pytest.raises(SettingsError, match="TRELLIS_SECRET is not set"):
            Settings.load().with_secret()

    @pytest.mark.parametrize("weak", ["", "x" * 31, "x" * 100, "abcabcabc" * 10])
    def test_that_is_weak_is_refused_everywhere_and_not_told(self, monkeypatch, weak):
        monkeypatch.setenv("TRELLIS_SECRET", weak)
        with pytest.raises(SettingsError, match="TRELLIS_SECRET is too weak") as refused:
            Settings.load()
        assert not weak or weak not in str(refused.value)

    def test_is_made_once_and_kept_over_the_embedded_database(self):
        made = Settings.load().with_secret().signing_key
        assert len(made) >= 32
        assert Settings.load().with_secret().signing_key == made

    def test_is_made_in_development_too(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", "development")
        assert Settings.load().with_secret().signing_key

    def test_is_the_same_for_all_who_start_at_once(self):
        with ThreadPoolExecutor(8) as threads:
            keys = set(threads.map(lambda _: Settings.load().with_secret().signing_key, range(8)))
        assert len(keys) == 1

    def test_does_not_show_when_settings_are_printed(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET", STRONG)
        assert STRONG not in repr(Settings.load())

    def test_that_was_never_asked_for_cannot_sign(self):
        with pytest.raises(SettingsError):
            _ = Settings.load().signing_key


class TestASettingThatIsWrong:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "70000"),
            ("TRELLIS_POOL_SIZE", "-7"),
            ("TRELLIS_ENVIRONMENT", "prod"),
            ("TRELLIS_STATEMENT_SECONDS", "-1"),
        ],
    )
    def test_is_named_without_its_value(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=name) as refused:
            Settings.load()
        assert value not in str(refused.value).replace("'production'", "")
