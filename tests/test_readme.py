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


def test_the_readme_shows_commands():
    assert len(COMMANDS) > 15
    assert [line for line in LINES if not line.startswith(("semcorr ", "pytest"))] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works(shell, tmp_path: Path, command: str):
    (tmp_path / "samples").symlink_to(SAMPLES)
    words = shlex.split(command)
    stdin = b""
    if "<" in words:
        stdin = (tmp_path / words[words.index("<") + 1]).read_bytes()
    ends = [words.index(sign) for sign in "<>" if sign in words]
    ran = shell(*words[1 : min(ends, default=len(words))], stdin=stdin, cwd=tmp_path)
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
