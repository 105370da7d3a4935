from pathlib import Path

import pytest

from semcorr_cli import settings
from semcorr_cli.errors import UsageError
from semcorr_cli.settings import Settings, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("1K", 2**10),
        ("500M", 500 * 2**20),
        ("4G", 4 * 2**30),
        ("4g", 4 * 2**30),
        ("2T", 2 * 2**40),
        ("1.5G", 3 * 2**29),
        ("500MB", 500 * 2**20),
        ("500 MiB", 500 * 2**20),
        (" 7b ", 7),
        ("0.5", 0),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text, "--max-size") == size


@pytest.mark.parametrize("text", ["", "much", "-1", "4X", "4GG", "1e9", "4,5G", "G", "0x10", "1.G", "∞", "4G 2M"])
def test_what_is_no_size_is_wrong_usage_and_says_whose(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size") as caught:
        parse_size(text, "--max-size")
    assert repr(text) in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.hint is not None


def test_without_variables_everything_lies_in_the_users_own_folders() -> None:
    found = Settings.from_environment()
    home = Path.home()
    assert home in found.weights.parents
    assert home in found.cache.parents
    assert found.weights != found.cache
    assert found.weights.name == "weights"
    assert (found.cache_limit, found.offline) == (4 * 2**30, False)


def test_variables_move_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMCORR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEMCORR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEMCORR_CACHE_LIMIT", "1.5M")
    found = Settings.from_environment()
    assert found.weights == tmp_path / "home" / "weights"
    assert found.cache == tmp_path / "cache"
    assert found.cache_limit == 3 * 2**19
    assert not (tmp_path / "home").exists()
    assert not (tmp_path / "cache").exists()


def test_empty_variables_are_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Settings.from_environment()
    for name in ("SEMCORR_HOME", "SEMCORR_CACHE", "SEMCORR_CACHE_LIMIT", "SEMCORR_OFFLINE"):
        monkeypatch.setenv(name, "")
    assert Settings.from_environment() == plain


def test_a_limit_that_makes_no_sense_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMCORR_CACHE_LIMIT", "lots")
    with pytest.raises(UsageError, match="SEMCORR_CACHE_LIMIT is 'lots'"):
        Settings.from_environment()


@pytest.mark.parametrize("name", ["SEMCORR_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize(
    ("value", "offline"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("", False), ("false", False), (" No ", False)],
)
def test_either_variable_forbids_the_network(
    name: str, value: str, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert Settings.from_environment().offline is offline


def test_one_variable_cannot_allow_what_the_other_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMCORR_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert Settings.from_environment().offline


def test_the_variables_in_force_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert settings.in_force() == {}
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SEMCORR_CACHE_LIMIT", "1G")
    monkeypatch.setenv("SEMCORR_UNHEARD_OF", "1")
    assert settings.in_force() == {"SEMCORR_CACHE_LIMIT": "1G", "NO_COLOR": "1"}


def test_libraries_are_calmed_unless_the_user_has_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"SVT_LOG": "3"}
    monkeypatch.setattr("os.environ", environment)
    settings.calm_libraries()
    assert environment["SVT_LOG"] == "3"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
