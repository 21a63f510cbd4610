"""Settings: file, environment, mistakes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.domain.errors import InvalidInput
from service.settings import Settings, load_settings, unknown_variables


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [one for one in os.environ if one.startswith("TESTONCE_")]:
        monkeypatch.delenv(key)


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_defaults_put_database_and_keys_into_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTONCE_HOME", str(tmp_path))
    settings = load_settings()
    assert settings.resolved_database_url == f"sqlite:///{tmp_path.resolve()}/testonce.db"
    assert settings.resolved_keys_file == tmp_path / "keys.json"


def test_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "t.toml", 'language = "en"\nworkers = 3\n')
    monkeypatch.setenv("TESTONCE_WORKERS", "5")
    settings = load_settings(file)
    assert (settings.language, settings.workers) == ("en", 5)


def test_config_variable_names_the_file_and_its_paths_count_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTONCE_CONFIG", str(write(tmp_path / "t.toml", 'home = "state"\n')))
    assert load_settings().home == tmp_path / "state"


def test_unknown_key_is_named_with_the_likely_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(write(tmp_path / "t.toml", 'databse_url = "x"\n'))
    assert "did you mean 'database_url'?" in caught.value.faults[0].message


@pytest.mark.parametrize(
    ("text", "place"), [("workers = 0", "workers"), ('language = "fr"', "language"), ("threads = [1]", "threads")]
)
def test_wrong_value_in_the_file_is_named(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(write(tmp_path / "t.toml", text))
    assert caught.value.faults[0].pointer == f"{tmp_path / 't.toml'} {place}"


def test_wrong_value_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTONCE_THREADS", "many")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.faults[0].pointer == "environment TESTONCE_THREADS"


@pytest.mark.parametrize("text", ["not toml", "a = = 1"])
def test_file_that_is_no_toml_is_said_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="not TOML"):
        load_settings(write(tmp_path / "t.toml", text))


def test_absent_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` | `TESTONCE_{name.upper()}` |" in page
        assert field.description is not None
        assert field.description in page


def test_each_database_has_its_own_checkpoint_whoever_connects(tmp_path: Path) -> None:
    urls = ["", "postgresql://a:x@db/one", "postgresql+psycopg://b@db/one", "postgresql://a:x@db/two"]
    embedded, one, same, two = (Settings(home=tmp_path, database_url=url).checkpoint_file for url in urls)
    assert one == same
    assert len({embedded, one, two}) == 3


def test_misspelled_variable_is_named_with_the_likely_one() -> None:
    given = {"TESTONCE_WROKERS": "2", "testonce_home": "/x", "TESTONCE_CONFIG": "c", "OTHER": "1"}
    (fault,) = unknown_variables(given)
    assert (fault.pointer, fault.message) == ("environment TESTONCE_WROKERS", "did you mean TESTONCE_WORKERS?")
