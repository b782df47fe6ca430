"""Settings that stand in files."""

import os

import pytest

from shared.settings import Settings, SettingsError, files_of, strangers

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"
URL = "postgresql://ann:p%40ss@host:5432/x"
VALUES = {
    "DATABASE_URL": ("database_url", URL),
    "TRELLIS_POOLED_URL": ("pooled_url", URL),
    "TRELLIS_REPLICA_URLS": ("replica_urls", f"{URL} {URL}"),
    "TRELLIS_SECRET": ("secret", STRONG),
    "TRELLIS_SECRET_PREVIOUS": ("secret_previous", STRONG),
}


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in [*VALUES, *files_of(Settings), "TRELLIS_ENVIRONMENT"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Names a file with this content by a variable."""

    def write(variable, content):
        path = tmp_path / variable
        path.write_bytes(content)
        monkeypatch.setenv(variable, str(path))
        return path

    return write


def refusal():
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    return str(refused.value)


class TestASettingInAFile:
    @pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
    @pytest.mark.parametrize("variable", VALUES)
    def test_is_as_good_as_in_the_environment(self, monkeypatch, write, variable, ending):
        """An editor leaves a line break at the end."""
        if variable != "DATABASE_URL":
            monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
        name, value = VALUES[variable]
        write(f"{variable}_FILE", value.encode() + ending)
        found = getattr(Settings.load(), name)
        assert getattr(found, "get_secret_value", lambda: found)() == value

    def test_are_all_that_are_secret(self):
        """Or have a password in them."""
        assert {*files_of(Settings).values()} == {*VALUES}

    def test_is_production_over_a_database_that_a_file_names(self, write):
        write("DATABASE_URL_FILE", URL.encode())
        assert Settings.load().environment == "production"

    def test_is_checked_like_any(self, write):
        write("TRELLIS_SECRET_FILE", b"short")
        assert refusal().startswith("TRELLIS_SECRET is too weak.")

    def test_named_by_an_empty_variable_is_none(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET_FILE", "")
        assert Settings.load().secret is None

    def test_is_no_stranger(self):
        assert list(strangers(dict.fromkeys(files_of(Settings), "x"))) == []
        (sentence,) = strangers({"TRELLIS_SECRETS_FILE": "x"})
        assert sentence.endswith("Is TRELLIS_SECRET_FILE meant?")


class TestAFileThatIsOfNoUse:
    """Its path is not told either: it may be the secret itself, by mistake."""

    def test_beside_the_variable_itself_is_one_too_many(self, monkeypatch, write):
        write("TRELLIS_SECRET_FILE", STRONG.encode())
        monkeypatch.setenv("TRELLIS_SECRET", STRONG)
        assert refusal() == "TRELLIS_SECRET and TRELLIS_SECRET_FILE are both set: unset one of them."

    def test_that_is_not_there_is_told(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET_FILE", STRONG)
        assert refusal() == "TRELLIS_SECRET_FILE names a file that cannot be read: No such file or directory."

    def test_that_is_a_folder_is_told(self, monkeypatch, tmp_path):
        monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path))
        assert refusal() == "DATABASE_URL_FILE names a file that cannot be read: Is a directory."

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_that_may_not_be_read_is_told(self, write):
        write("TRELLIS_SECRET_FILE", STRONG.encode()).chmod(0)
        assert refusal() == "TRELLIS_SECRET_FILE names a file that cannot be read: Permission denied."

    @pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n"])
    def test_that_is_empty_is_told(self, write, content):
        write("TRELLIS_SECRET_PREVIOUS_FILE", content)
        assert refusal() == "TRELLIS_SECRET_PREVIOUS_FILE names a file that is empty."

    def test_that_is_no_text_is_told(self, write):
        write("TRELLIS_SECRET_FILE", b"\xff" * 40)
        assert refusal() == "TRELLIS_SECRET_FILE names a file that is no text in UTF-8."


class TestThePreviousSecret:
    def test_gives_keys_that_are_good_but_not_new(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET", STRONG)
        old = Settings.load().key("tests")
        monkeypatch.setenv("TRELLIS_SECRET", STRONG[::-1])
        assert Settings.load().keys("tests") == (Settings.load().key("tests"),)
        monkeypatch.setenv("TRELLIS_SECRET_PREVIOUS", STRONG)
        settings = Settings.load()
        assert settings.keys("tests") == (settings.key("tests"), old)
        assert settings.key("tests") != old

    @pytest.mark.parametrize("weak", ["x" * 31, "x" * 100])
    def test_has_to_be_strong_too(self, monkeypatch, weak):
        monkeypatch.setenv("TRELLIS_SECRET_PREVIOUS", weak)
        sentence = refusal()
        assert sentence.startswith("TRELLIS_SECRET_PREVIOUS is too weak.")
        assert weak not in sentence
