"""Verbs as jobs of a batch: the same parsing, the same function and the same errors as on the command line."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import typer

from semcorr_cli import __version__, extractors
from semcorr_cli.batch.jobs import Form, Job, Value
from semcorr_cli.cli import extract, formats, match, morph, style, warp
from semcorr_cli.cli.options import FeatureOptions, shared
from semcorr_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb that batches can run.

    Attributes:
        function: what it does, as the command line knows it.
        summary: one line.
        suffix: of its outputs unless told otherwise.
        suffixes: that it can write.
    """

    function: Callable[..., None]
    summary: str
    suffix: str
    suffixes: tuple[str, ...]


VERBS = {
    "match": Verb(match.match, "Match many pairs.", ".png", match.PICTURES + match.DATA),
    "warp": Verb(warp.warp, "Warp many pairs.", ".png", match.PICTURES),
    "morph": Verb(morph.morph, "Make many films.", ".gif", formats.SUFFIXES),
    "transfer-style": Verb(style.transfer_style, "Restyle many pictures.", ".png", match.PICTURES),
    "extract": Verb(extract.extract, "Describe many pictures.", ".npz", (".npz", ".safetensors", *match.PICTURES)),
}
"""The verbs of `semcorr batch`; a row is all that a new one needs."""

OUTER = frozenset({"json", "quiet", "verbose", "output", "format", "overwrite", "device"})
"""Options that mean something else for a batch than for one of its jobs."""

FILES = frozenset({"source_mask", "target_mask", "mask"})
"""Options whose value can only be a file to read."""

WHOLE = frozenset({"offline", "cache"})
"""Options that a batch has for all its jobs, or for none."""


class Command:
    """A verb's command line, for jobs."""

    def __init__(self, name: str) -> None:
        app = typer.Typer(add_completion=False)
        app.command(name)(shared(VERBS[name].function))
        self.name = name
        self._command = typer.main.get_command(app)
        # Every option has a long name; the parser's own table says which are flags, and how they are taken back.
        self._options = {
            parameter.name: parameter
            for parameter in self._command.params
            if parameter.param_type_name == "option" and parameter.name
        }
        self._arguments = [p for p in self._command.params if p.param_type_name == "argument"]

    def form(self, suffix: str | None = None) -> Form:
        """Returns what a job may hold.

        Args:
            suffix: of outputs that nobody named, with or without its dot, instead of the verb's own.

        Raises:
            UsageError: the verb cannot write that.
        """
        verb = VERBS[self.name]
        own = verb.suffix if suffix is None else f".{suffix.lstrip('.').lower()}"
        if own not in verb.suffixes:
            known = " ".join(name for name in verb.suffixes if name)
            raise UsageError(f"--format: {self.name} cannot write {own}", hint=f"use one of: {known}")
        return Form(
            verb=self.name,
            inputs=tuple(str(argument.name) for argument in self._arguments),
            is_many=self._arguments[-1].nargs == -1,
            options={name: self._kind(name) for name in self._options if name not in OUTER | WHOLE},
            files=FILES & self._options.keys(),
            suffix=own,
            suffixes=verb.suffixes,
            refuse=self._refuse,
        )

    def given(self, context: typer.Context) -> dict[str, Value]:
        """Returns the verb's options that a batch was given for all jobs, by command line or environment."""
        found: dict[str, Value] = {}
        for name, value in context.params.items():
            source = context.get_parameter_source(name)
            is_given = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
            if name not in self._options or name in OUTER or not is_given or value is None:
                continue
            if isinstance(value, bool):
                found[name] = value
            elif isinstance(value, list | tuple):
                found[name] = tuple(str(getattr(part, "value", part)) for part in value)
            else:
                found[name] = str(getattr(value, "value", value))
        return found

    def arguments(self, inputs: tuple[str, ...], given: Mapping[str, Value], place: Path | str) -> list[str]:
        """Returns a job's command line, without the verb."""
        words = [f"--output={place}"]
        for name, value in given.items():
            words += self._words(name, value)
        return [*words, "--", *inputs]

    def run(self, arguments: list[str]) -> None:
        """Runs the verb.

        Raises:
            SemcorrError: as on the command line.
        """
        try:
            self._command.main(arguments, prog_name=self.name, standalone_mode=False)
        except Exception as error:
            raise _translated(error) from None

    def bundle(self) -> type[FeatureOptions]:
        """Returns the class of the options that the verb shares with others."""
        *_, last = inspect.signature(VERBS[self.name].function).parameters.values()
        bundle: type[FeatureOptions] = last.annotation
        return bundle

    def shared_words(self, given: Mapping[str, Value]) -> list[str]:
        """Returns the part of a command line that is made of shared options."""
        names = {entry.name for entry in fields(self.bundle())}
        return [word for name, value in given.items() if name in names for word in self._words(name, value)]

    def _kind(self, name: str) -> str:
        option: Any = self._options[name]
        return "flag" if option.is_flag else "list" if option.multiple else "value"

    def _words(self, name: str, value: Value) -> Iterator[str]:
        option = self._options[name]
        long = next(word for word in option.opts if word.startswith("--"))
        if isinstance(value, bool):
            if not value and not option.secondary_opts:
                return
            yield long if value else option.secondary_opts[0]
        else:
            for part in (value,) if isinstance(value, str) else value:
                yield f"{long}={part}"

    def _refuse(self, job: Job) -> str | None:
        try:
            self._command.make_context(self.name, self.arguments(job.inputs, job.options, job.output))
        except Exception as error:
            return str(_translated(error))
        return None


def _translated(error: Exception) -> Exception:
    """Returns what the parser says as an error of ours; other errors as they are."""
    if hasattr(error, "format_message"):
        text: str = error.format_message()
        return UsageError(text[:1].lower() + text[1:].rstrip("."))
    return error


def version() -> str:
    """Returns what decides the numbers besides pictures and options."""
    return " ".join([__version__, *(f"{spec.name}:{spec.version}" for spec in extractors.SPECS)])
