"""The report of an evaluation: one file with everything in it, HTML or Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from semcorr_cli.evaluate.scores import JUDGED, Row
from semcorr_cli.evaluate.tables import Table

TEMPLATE = Path(__file__).with_name("report.html")

FORMATS = (".html", ".md")

WORST = 12
"""Pairs shown as pictures."""

KEY = "Green rings: true places. Red dots: predicted places, with the way from the true one."


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        title: its heading.
        facts: what was measured, and under which conditions.
        tables: the scores.
        worst: the worst pairs, worst first, each with its picture as a `data:` address.
    """

    title: str
    facts: Mapping[str, str]
    tables: Sequence[Table]
    worst: Sequence[tuple[Row, str]]

    def encode(self, suffix: str) -> bytes:
        """Returns the file's content in one of `FORMATS`."""
        return (self._html() if suffix == ".html" else self._markdown()).encode()

    def _html(self) -> str:
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
            title=escape(self.title),
            facts="\n".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in self.facts.items()),
            tables="\n".join(map(_html_table, self.tables)),
            key=escape(KEY),
            worst="\n".join(
                f'<figure><img alt="" src="{picture}"><figcaption>{escape(caption(row))}</figcaption></figure>'
                for row, picture in self.worst
            ),
        )

    def _markdown(self) -> str:
        parts = [f"# {_plain(self.title)}", "\n".join(f"- {name}: {_plain(text)}" for name, text in self.facts.items())]
        parts += ["\n".join(_markdown_table(table)) for table in self.tables]
        parts += ["## The worst pairs", KEY] if self.worst else []
        parts += [f"{_plain(caption(row))}\n\n![{_plain(row.name)}]({picture})" for row, picture in self.worst]
        return "\n\n".join(parts) + "\n"


def worst(rows: Sequence[Row]) -> list[Row]:
    """Returns the worst pairs, worst first: fewest points found, then farthest from the truth."""
    return sorted((row for row in rows if row.points), key=lambda row: (row.share, -row.error))[:WORST]


def caption(row: Row) -> str:
    """Returns what there is to say of a pair in one line."""
    called = "" if row.verdict is None else f", called {row.verdict}"
    return f"{row.name} ({row.category}): {row.judged} of {row.points} found at {JUDGED:.2f}{called}"


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "\n".join(
        f"<tr{' class=strong' if row[0] in table.strong else ''}>"
        + "".join(f"<td>{escape(text)}</td>" for text in row)
        + "</tr>"
        for row in table.rows
    )
    return (
        f"<h2>{escape(table.title)}</h2>\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _markdown_table(table: Table) -> Iterator[str]:
    yield f"## {_plain(table.title)}\n"
    yield f"| {' | '.join(map(_plain, table.columns))} |"
    yield "|---|" + "---:|" * (len(table.columns) - 1)
    for row in table.rows:
        texts = [f"**{text}**" if row[0] in table.strong else text for text in map(_plain, row)]
        yield f"| {' | '.join(texts)} |"


def _plain(text: str) -> str:
    """Returns text that Markdown leaves as it is."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text)
