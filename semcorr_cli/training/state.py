"""What a training run must not lose: one file that holds all of it, replaced in one move."""

import json
from pathlib import Path
from typing import Any

import torch

LAST = "last.pt"
LOG = "log.jsonl"


def save(folder: Path, state: dict[str, Any], name: str = LAST) -> None:
    """Writes a state beside the old one, then puts it in its place."""
    draft = folder / f"{name}.part"
    torch.save(state, draft)
    draft.replace(folder / name)


def restore(folder: Path) -> dict[str, Any] | None:
    """Reads the last state, if there is one, and cuts the log back to it."""
    if not (folder / LAST).exists():
        return None
    state: dict[str, Any] = torch.load(folder / LAST, map_location="cpu", weights_only=True)
    _cut(folder / LOG, int(state["step"]))
    return state


def _cut(log: Path, step: int) -> None:
    if log.exists():
        lines = log.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        log.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def note(folder: Path, **figures: Any) -> None:
    """Adds a line to the log."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(figures) + "\n")
