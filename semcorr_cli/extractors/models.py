"""Weights that come from elsewhere: where each file lies, how large it is and what it hashes to; imports no torch."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

TABLE = "models.json"
"""The table, beside this file. Repositories that have gone are listed under `formerly` of what took their place."""

HUB, GITHUB = "hub", "github"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights, or of what belongs to them.

    Attributes:
        path: inside the repository.
        size: bytes; None where not known.
        digest: hexadecimal SHA-256 of the content, or 40 digits of git's own SHA-1; empty where neither is known: then
            the hub's own word is taken.
    """

    path: str
    size: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that are pulled together.

    Attributes:
        name: what `semcorr models pull` takes.
        role: what they are to an extractor: `dino`, `diffusion`, `unet` or `adapter`.
        repository: `owner/name`.
        revision: commit that the files are pinned to; a branch where no commit is known.
        licence: of the weights.
        files: all that is needed.
        main: the file or folder that extractors are handed, inside the repository; empty for all of it.
        gated: the owner wants to be asked first.
        formerly: repositories that held the same files and are gone.
        host: where the repository lies: `hub` or `github`.
    """

    name: str
    role: str
    repository: str
    revision: str
    licence: str
    files: tuple[WeightsFile, ...]
    main: str = ""
    gated: bool = False
    formerly: tuple[str, ...] = ()
    host: str = HUB

    @property
    def folder(self) -> str:
        """The folder below the one for weights in which the files lie."""
        return f"{self.repository.replace('/', '--')}/{self.revision[:12]}"

    @property
    def size(self) -> int | None:
        """The bytes of all files; None where one's are not known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


@cache
def table() -> dict[str, Model]:
    """Returns all models by name."""
    content: dict[str, dict[str, Any]] = json.loads(resources.files(__package__).joinpath(TABLE).read_text("utf-8"))
    return {name: _model(name, dict(row)) for name, row in content.items()}


def models(*names: str) -> tuple[Model, ...]:
    """Returns models by name."""
    return tuple(table()[name] for name in names)


def known_as(text: str) -> tuple[Model, ...]:
    """Returns the models of a name, or of a repository, be it one that is gone; none for anything else."""
    if text in table():
        return (table()[text],)
    return tuple(model for model in table().values() if text in (model.repository, *model.formerly))


def _model(name: str, row: dict[str, Any]) -> Model:
    files = tuple(WeightsFile(path, size, digest or "") for path, (size, digest) in row.pop("files").items())
    return Model(name, files=files, formerly=tuple(row.pop("formerly", ())), **row)
