"""The report: one HTML file with everything in it, made from the journal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from semcorr_cli.batch.manifest import Mistake
from semcorr_cli.io import atomic, jsonl

TEMPLATE = Path(__file__).with_name("report.html")

RANKS = {"poor": 0, "uncertain": 1, "good": 2}
"""Verdicts in the order in which they are sorted."""

STATES = ("failed", "poor", "uncertain", "good", "done", "unfinished")
"""What the rows can be filtered by."""


def write(path: Path, journals: Sequence[Path], verb: str, mistakes: Sequence[Mistake] = ()) -> None:
    """Writes the report of what journals know.

    Args:
        path: where to.
        journals: the last word is that of the last one.
        verb: what was done.
        mistakes: lines of the manifest that became no jobs.

    Raises:
        OutputError: it cannot be written.
    """
    last: dict[str, dict[str, Any]] = {}
    for line in chain.from_iterable(map(jsonl.read, journals)):
        if isinstance(name := line.get("job"), str):
            last[name] = line
    failed: list[dict[str, Any]] = [
        {"line": mistake.line, "status": "failed", "error": {"kind": "usage", "message": mistake.message}}
        for mistake in mistakes
    ]
    lines = sorted([*last.values(), *failed], key=lambda line: (line.get("line") or 0, line.get("job") or ""))
    states = Counter(_state(line) for line in lines)
    present = [state for state in STATES if states[state]]
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=f"semcorr batch {escape(verb)}: {len(lines)} jobs",
        summary=", ".join(f'<span class="{state}">{states[state]} {state}</span>' for state in present),
        filters="".join(f'<option value="{state}">{state} ({states[state]})</option>' for state in present),
        rows="\n".join(_rows(lines)),
    )
    with atomic.replacing(path, overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _state(line: dict[str, Any]) -> str:
    if line["status"] == "ok":
        return line.get("verdict") or "done"
    return "failed" if line["status"] == "failed" else "unfinished"


def _rows(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        state, verdict, error = _state(line), line.get("verdict"), line.get("error") or {}
        name, seconds = line.get("job") or "", line.get("seconds")
        rank = "" if verdict is None else RANKS.get(verdict, 0) + (line.get("probability") or 0) / 2
        result = escape(name) if state in ("failed", "unfinished") else f'<a href="{quote(name)}">{escape(name)}</a>'
        picture = f'<img loading="lazy" alt="" src="{escape(line["thumbnail"])}">' if line.get("thumbnail") else ""
        inputs = escape(", ".join(line.get("inputs") or ()))
        failure = escape(f"{error['kind']}: {error['message']}") if error else ""
        yield (
            f'<tr data-state="{state}"><td class="number" data-key="{line.get("line", "")}">{line.get("line", "")}</td>'
            f'<td data-key="">{picture}</td>'
            f'<td data-key="{escape(name)}">{result}<br><span class="inputs">{inputs}</span></td>'
            f'<td data-key="{rank}" class="{state}">{escape(verdict or "")}</td>'
            f'<td data-key="{failure}" class="failed">{failure}</td>'
            f'<td class="number" data-key="{"" if seconds is None else seconds}">'
            f"{'' if seconds is None else format(seconds, '.2f')}</td></tr>"
        )
