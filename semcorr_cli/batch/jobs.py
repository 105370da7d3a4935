"""Jobs: what the lines of a manifest ask for, and what is wrong with those that ask for nonsense."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from semcorr_cli.batch.manifest import Mistake, Row

Value = bool | str | tuple[str, ...]
"""What an option of a job is given: a flag, a value, or several."""

TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do.

    Attributes:
        output: where the result goes, relative to the batch's folder, with `/`; no two jobs share one: it is the name.
        inputs: the verb's arguments in their order.
        options: options of the verb, by name; those of the whole batch included.
        line: of the manifest; for folders, the number of the pair.
    """

    output: str
    inputs: tuple[str, ...]
    options: Mapping[str, Value] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """What a job of a verb may hold.

    Attributes:
        verb: its name.
        inputs: names of its arguments, in their order.
        is_many: the last argument takes any number of values.
        options: names of its options, and whether each is a "flag", a "value" or a "list".
        files: names of options whose value is a file to read.
        suffix: of outputs that nobody named.
        suffixes: that it can write.
        refuse: says what is wrong with a job's options, or None.
    """

    verb: str
    inputs: tuple[str, ...]
    is_many: bool
    options: Mapping[str, str]
    files: frozenset[str]
    suffix: str
    suffixes: tuple[str, ...]
    refuse: Callable[[Job], str | None]

    @property
    def keys(self) -> tuple[str, ...]:
        """What a line of a manifest may hold."""
        options = (name.replace("_", "-") for name in self.options)
        return tuple(dict.fromkeys((*self.places, *self.inputs, "output", *options)))

    @property
    def places(self) -> tuple[str, ...]:
        """Names under which the first inputs can be given whatever the verb calls them."""
        return ("source", "target")[: 2 if self.is_many else len(self.inputs)]


@dataclass(slots=True)
class Reader:
    """Turns rows into jobs; remembers the outputs that were taken.

    Attributes:
        form: what a row may hold.
        common: options of the whole batch; a row's own come first.
        root: folder that relative inputs start from.
    """

    form: Form
    common: Mapping[str, Value]
    root: Path
    _taken: dict[str, int] = field(default_factory=dict)
    _folders: dict[str, int] = field(default_factory=dict)

    def read(self, rows: Iterable[Row | Mistake | None]) -> Iterator[Job | Mistake | None]:
        """Yields a job or a mistake for each row; None, where nothing has come yet, is passed on."""
        for row in rows:
            if row is None or isinstance(row, Mistake):
                yield row
                continue
            try:
                yield self._job(row)
            except ValueError as error:
                yield Mistake(row.line, str(error))

    def missing(self, job: Job) -> Iterator[Mistake]:
        """Yields a mistake for each file to read that is not there."""
        named = [value for name in self.form.files if isinstance(value := job.options.get(name), str)]
        for path in dict.fromkeys((*job.inputs, *named)):
            try:
                is_there = (self.root / path).exists()
            except (OSError, ValueError):
                is_there = False
            if not is_there:
                yield Mistake(job.line, f"there is no file {path}")

    def _job(self, row: Row) -> Job:
        values: dict[str, Any] = {}
        known = {name.replace("-", "_") for name in self.form.keys}
        for key, value in row.values.items():
            name = key.strip().replace("-", "_")
            if name not in known:
                raise ValueError(f"unknown key {key!r}; known: {' '.join(self.form.keys)}")
            if name in values:
                raise ValueError(f"{key!r} is given twice")
            if value is not None and value != "":
                values[name] = value
        inputs = self._inputs(values)
        options = {name: self._value(name, value) for name, value in values.items() if name in self.form.options}
        job = Job(self._output(values.get("output"), inputs), inputs, {**self.common, **options}, row.line)
        if refused := self.form.refuse(job):
            raise ValueError(refused)
        self._take(job)
        return job

    def _take(self, job: Job) -> None:
        """Takes a job's output for it.

        Raises:
            ValueError: it is another job's, or one would have to be a folder for the other.
        """
        if (line := self._taken.get(job.output)) is not None:
            raise ValueError(f"the output {job.output} is that of line {line} already")
        above = [str(folder) for folder in PurePosixPath(job.output).parents][:-1]
        if (outer := next((folder for folder in above if folder in self._taken), None)) is not None:
            raise ValueError(f"the output {job.output} lies in {outer}, which is that of line {self._taken[outer]}")
        if (line := self._folders.get(job.output)) is not None:
            raise ValueError(f"the output {job.output} is a folder for that of line {line}")
        self._taken[job.output] = job.line
        for folder in above:
            self._folders.setdefault(folder, job.line)

    def _inputs(self, values: dict[str, Any]) -> tuple[str, ...]:
        """Returns the arguments: `source` and `target` are the first two, by whatever name the verb has for them."""
        form, given = self.form, []
        for number, name in enumerate(form.places):
            own = form.inputs[number] if not form.is_many else name
            if own != name and own in values and name in values:
                raise ValueError(f"{name!r} and {own!r} are the same")
            if (value := values.get(own, values.get(name))) is not None:
                given.append(_text(own, value))
            elif not form.is_many or form.inputs[-1] not in values:
                raise ValueError(f"there is no {own!r}")
        if form.is_many:
            given += _texts(form.inputs[-1], values.get(form.inputs[-1], ()))
        if "-" in given:
            raise ValueError("a batch cannot read pictures from stdin")
        return tuple(given)

    def _value(self, name: str, value: Any) -> Value:
        kind = self.form.options[name]
        if kind == "flag":
            known = value if isinstance(value, bool) else TRUTH.get(str(value).strip().lower())
            if known is None:
                raise ValueError(f"{name}: {value!r} is neither true nor false")
            return known
        return _texts(name, value) if kind == "list" else _text(name, value)

    def _output(self, value: Any, inputs: tuple[str, ...]) -> str:
        """Returns where a job's result goes, named after its inputs if nobody said."""
        if value is None:
            first, *others = (PurePosixPath(path) for path in inputs)
            names = "--".join(path.stem for path in (first, *others))
            inside = not first.is_absolute() and ".." not in first.parts
            return str((first.parent if inside else PurePosixPath()) / f"{names}{self.form.suffix}")
        text = _text("output", value)
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise ValueError(f"the output {text!r} does not lie in the batch's folder")
        if path.suffix.lower() not in self.form.suffixes:
            known = " ".join(suffix or "(a folder)" for suffix in self.form.suffixes)
            raise ValueError(f"the output {text!r}: {self.form.verb} writes {known}")
        return str(path)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name}: {value!r} is no value")
    if "\0" in str(value) or any("\ud800" <= letter <= "\udfff" for letter in str(value)):
        raise ValueError(f"{name}: {str(value)!r} holds what no name may hold")
    return str(value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """Returns a list's values; in csv and tsv they stand in one cell, with `;` between."""
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(f"{name}: {value!r} is no list")
    return tuple(_text(name, part) for part in parts)
