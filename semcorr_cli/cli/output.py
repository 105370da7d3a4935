"""Everything the command prints: the stdout guard, the JSON envelope, notes, progress. The only file that prints.

stdout carries results alone: the artefact of `-o -`, the envelope of `--json`, the tables of listing commands.
Everything else goes to stderr. While a command's body runs, file descriptor 1 itself points at stderr, so that no
library, in whatever language, can put a byte into a piped result.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from semcorr_cli import __version__
from semcorr_cli.errors import SemcorrError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1
"""Version of the JSON envelope; raised when a key changes its meaning or goes."""

PLAIN_SECONDS = 10
"""Seconds between two lines that take a progress bar's place."""

T = TypeVar("T")


@dataclass(slots=True)
class Output:
    """What one command has to say.

    Attributes:
        command: the verb.
        as_json: the envelope goes to stdout.
        level: −1 quiet, 0 one line an artefact, 1 decisions, 2 library logs and tracebacks.
        result: the envelope's `result`.
        run: the envelope's `run`.
    """

    command: str
    as_json: bool = False
    level: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    stdout: int = 1
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True))

    def say(self, text: str) -> None:
        """Prints a line that everybody sees but who asked for quiet."""
        if self.level >= 0:
            self._line(text)

    def note(self, text: str) -> None:
        """Prints a decision, with `-v`."""
        if self.level >= 1:
            self._line(text)

    def warn(self, text: str) -> None:
        """Prints what the user should know before trusting the result."""
        if self.level >= 0:
            self._line(f"warning: {text}")

    def took(self, path: str, hw: tuple[int, int], notes: Iterable[str]) -> None:
        """Records an input; its notes are printed with `-v`."""
        notes = list(notes)
        self.inputs.append({"path": path, "hw": list(hw), "notes": notes})
        for text in notes:
            self.note(f"{path}: {text}")

    def made(self, path: str, hw: tuple[int, int] | None, notes: Iterable[str] = ()) -> None:
        """Records an artefact and says where it lies."""
        self.outputs.append({"path": path, "hw": None if hw is None else list(hw)})
        for text in notes:
            self.note(f"{path}: {text}")
        if path != "-":
            self.say(path)

    def table(self, table: "Table") -> None:
        """Prints a table: on stdout, as the result, unless the envelope goes there."""
        if not self.as_json:
            with os.fdopen(os.dup(self.stdout), "w", encoding="utf-8") as stream:
                Console(file=stream, highlight=False).print(table)

    def text(self, text: str) -> None:
        """Prints lines on stdout, as the result, unless the envelope goes there."""
        if not self.as_json:
            self.bytes((text + "\n").encode())

    def bytes(self, content: bytes) -> None:
        """Writes an artefact to stdout."""
        view = memoryview(content)
        while view:
            view = view[os.write(self.stdout, view) :]

    def artefact_to_stdout(self, *, binary: bool = True) -> None:
        """Refuses `-o -` where it cannot work.

        Raises:
            UsageError: stdout is a terminal and the artefact binary, or stdout is taken by the envelope.
        """
        if self.as_json:
            raise UsageError("-o - and --json both want stdout", hint="give -o a file")
        if binary and os.isatty(self.stdout):
            raise UsageError("-o - would fill the terminal with a picture", hint="pipe it on, or give -o a file")

    def progress(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Yields the items with a progress bar."""
        with self.bar(total, what) as advance:
            for done, item in enumerate(items, start=1):
                yield item
                advance(done, "")

    @contextmanager
    def bar(self, total: int | None, what: str, *, plain: bool = False) -> Iterator[Callable[[int, str], None]]:
        """Opens a progress bar on stderr, shown if that is a terminal and a second has passed.

        Args:
            total: what there is to do; None if nobody knows.
            what: it is that is counted.
            plain: where stderr is no terminal, a line now and then takes the bar's place.

        Yields:
            What moves it: called with how much is done of `total`, and a word on how it goes.
        """
        if self.level < 0 or not (self.console.is_terminal or plain):
            yield lambda done, word: None
            return
        if not self.console.is_terminal:
            yield self._plainly(total, what)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[word]}"),
        )
        bar = Progress(*columns, console=self.console, transient=True)
        task = bar.add_task(what, total=total, word="")
        start, shown = time.monotonic(), False

        def advance(done: int, word: str) -> None:
            nonlocal shown
            bar.update(task, completed=done, word=word)
            if not shown and time.monotonic() - start > 1:
                bar.start()
                shown = True

        try:
            yield advance
        finally:
            if shown:
                bar.stop()

    def _plainly(self, total: int | None, what: str) -> Callable[[int, str], None]:
        start = last = time.monotonic()
        first: int | None = None

        def advance(done: int, word: str) -> None:
            nonlocal last, first
            now = time.monotonic()
            first = done if first is None else first
            if now - last >= PLAIN_SECONDS:
                last = now
                left = ""
                if total is not None and done > first:
                    seconds = round((total - done) * (now - start) / (done - first))
                    left = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
                parts = [f"{what}: {done:,}{'' if total is None else f' of {total:,}'}", word, left]
                self.say(", ".join(part for part in parts if part))

        return advance

    def envelope(self, error: SemcorrError | None) -> None:
        """Prints the JSON envelope, if asked for."""
        if self.as_json:
            self.line(self.content(error))

    def line(self, content: dict[str, Any]) -> None:
        """Prints an object on stdout, as one line of JSON."""
        self.bytes((json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n").encode())

    def content(self, error: SemcorrError | None) -> dict[str, Any]:
        """Returns the envelope's content."""
        run = {"features": None, "device": None, "dtype": None, "cached": []} | self.run
        return {
            "semcorr": __version__,
            "schema": SCHEMA,
            "command": self.command,
            "status": "ok" if error is None else "error",
            "inputs": self.inputs,
            "outputs": self.outputs,
            "result": self.result,
            "run": run | {"seconds": round(time.monotonic() - self.started, 3)},
            "errors": [] if error is None else [error.as_json()],
        }

    def failure(self, error: SemcorrError) -> None:
        """Prints what went wrong, whatever the level, and what to do next."""
        self._line(f"semcorr {self.command}: {error.message}")
        if error.hint:
            self._line(f"  try: {error.hint}")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False)


_current: list[Output] = []


def current() -> Output:
    """Returns the output of the command that is running."""
    return _current[-1]


@contextmanager
def guarded(command: str) -> Iterator[Output]:
    """Opens a command's output: until it closes, file descriptor 1 points at stderr and the real one is kept apart."""
    sys.stdout.flush()
    output = Output(command, stdout=os.dup(1))
    os.dup2(2, 1)
    _current.append(output)
    try:
        yield output
    finally:
        _current.pop()
        sys.stdout.flush()
        os.dup2(output.stdout, 1)
        os.close(output.stdout)


@contextmanager
def captured(command: str) -> Iterator[Output]:
    """Opens the output of a command that runs inside another: it says nothing, and its envelope is read."""
    output = Output(command, as_json=True, level=-1)
    _current.append(output)
    try:
        yield output
    finally:
        _current.pop()
