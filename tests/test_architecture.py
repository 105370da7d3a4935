"""The house: who may import whom, who may read the environment, who may print."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "semcorr_cli"

# What each room may import from the package; everything else points upwards or sideways.
ALLOWED = {
    "errors": set(),
    "settings": {"errors"},
    "core": {"core", "errors"},
    "pretrained": {"errors"},
    "extractors": {"extractors", "pretrained", "core", "errors"},
    "matchers": {"matchers", "core", "errors"},
    "effects": {"effects", "pretrained", "core", "errors"},
    "datasets": {"datasets", "core", "errors"},
    "io": {"io", "core", "errors", "settings"},
    "training": {"training", "extractors", "matchers", "datasets", "io", "core", "errors"},
    "weights": {"extractors", "io", "settings", "errors"},
    "session": {"weights", "extractors", "matchers", "effects", "core", "io", "settings", "errors"},
    "batch": {"batch", "io", "errors"},
    "evaluate": {"evaluate", "session", "datasets", "matchers", "core", "io", "errors"},
    "cli": {
        "batch",
        "training",
        "cli",
        "session",
        "weights",
        "evaluate",
        "datasets",
        "effects",
        "extractors",
        "matchers",
        "core",
        "io",
        "settings",
        "errors",
    },
    "__init__": {"session", "settings", "core"},
    "__main__": {"cli"},
}

HEAVY = {"torch", "numpy", "cv2", "kornia", "diffusers", "transformers", "PIL", "av", "safetensors", "jaxtyping"}

FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def top_level(tree: ast.Module) -> list[str]:
    return [name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name in imports(node)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_down(path: Path) -> None:
    used = {name.split(".")[1] for name in imports(ast.parse(path.read_text())) if name.startswith("semcorr_cli.")}
    used -= {"__version__"}
    assert used <= ALLOWED[room(path)], f"{path.name} may not import {used - ALLOWED[room(path)]}"


def test_every_room_is_listed() -> None:
    assert {room(path) for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) in ("batch", "cli", "errors", "settings", "__init__", "__main__")], ids=str
)
def test_the_command_line_is_light(path: Path) -> None:
    heavy = {name.split(".")[0] for name in top_level(ast.parse(path.read_text()))} & HEAVY
    assert not heavy, f"{path.name} imports {heavy} before a command runs"


def test_the_table_of_extractors_is_light() -> None:
    for name in ("__init__", "options"):
        tree = ast.parse((PACKAGE / "extractors" / f"{name}.py").read_text())
        assert not {entry.split(".")[0] for entry in imports(tree)} & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_settings_reads_the_environment(path: Path) -> None:
    if room(path) != "settings":
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "getenv", "putenv"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_output_prints(path: Path) -> None:
    if path.name != "output.py":
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "print" not in calls


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_calls_cuda_or_knows_half_pixels(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and n.attr == "cuda" and isinstance(n.value, ast.Name) and n.value.id != "torch"
    ]
