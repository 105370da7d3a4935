"""Every command that the README shows is run, and every picture it shows is there."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.partition(" && ")[2] or line for block in BLOCKS for line in block.strip().splitlines()]
COMMANDS = [line for line in LINES if line.startswith("semcorr ")]
FIRST = {line.split()[1]: line for line in reversed(COMMANDS)}
"""The first command of each verb."""


def test_the_readme_shows_commands():
    assert len(COMMANDS) > 15
    assert [line for line in LINES if not line.startswith(("semcorr ", "pytest"))] == []


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all commands, as for one who tries them in turn."""
    return tmp_path_factory.mktemp("cache")


# Each verb runs once in a process of its own, and what reads stdin does; for the others torch is not imported anew.
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works(shell, semcorr, cache: Path, tmp_path: Path, monkeypatch, command: str):
    monkeypatch.setenv("SEMCORR_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(SAMPLES)
    words = shlex.split(command)
    for before in map(shlex.split, COMMANDS[: COMMANDS.index(command)]):
        if "--save-points" in before and before[before.index("--save-points") + 1] in words:
            assert semcorr(*before[1:]).code == 0
    ends = [words.index(sign) for sign in "<>" if sign in words]
    arguments = words[1 : min(ends, default=len(words))]
    if "<" in words:
        ran = shell(*arguments, stdin=Path(words[words.index("<") + 1]).read_bytes(), cwd=tmp_path)
    elif command in FIRST.values():
        ran = shell(*arguments, cwd=tmp_path)
    else:
        ran = semcorr(*arguments)
    assert ran.code == 0, ran.err
    assert "warning" not in ran.err
    if "-o" in words and words[words.index("-o") + 1] != "-":
        assert (tmp_path / words[words.index("-o") + 1]).exists()
    else:
        assert ran.out


def test_the_python_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "samples").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.startswith(("good", "uncertain", "poor"))


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
    assert sum("samples/show" in link for link in links) >= 3


def test_ci_runs_the_readmes_own_commands():
    script = (ROOT / ".ci" / "run").read_text()
    first, second = (line for block in BLOCKS for line in block.splitlines() if line.startswith("pip "))
    assert "install -c constraints.txt . && semcorr morph samples/" in first
    assert second.endswith("&& pytest")
    for prefix in re.findall(r"s/\^(pip .*?) && //p", script):
        assert any(line.startswith(prefix.replace("\\", "") + " && ") for line in (first, second))


def test_the_picture_of_the_house_is_true():
    named = re.search(r"```\nsemcorr_cli/\n(.*?)```", README, re.DOTALL)
    assert named is not None
    rooms = set(re.findall(r"[├└]── (\w+)[/.]", named[1]))
    real = {path.stem for path in (ROOT / "semcorr_cli").iterdir() if path.name[0].isalpha()}
    assert rooms == real
