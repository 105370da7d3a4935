"""Which weights are on this disk, and bringing those that are not."""

import json
from collections.abc import Mapping
from pathlib import Path

from semcorr_cli.errors import MissingError
from semcorr_cli.extractors.models import GITHUB, Model, WeightsFile, known_as
from semcorr_cli.extractors.spec import ExtractorSpec, given_places
from semcorr_cli.io import weights as files
from semcorr_cli.io.weights import Progress, Remote
from semcorr_cli.settings import Settings

DIGESTS = ".digests.json"
"""File in a model's folder: the digests that the host gave for files whose digest is not in the table."""


def missing(model: Model, settings: Settings) -> list[WeightsFile]:
    """Returns the files of a model that are not on this disk."""
    return [file for file in model.files if not _place(model, file, settings).is_file()]


def local(spec: ExtractorSpec, given: Mapping[str, Path], settings: Settings) -> dict[str, Path] | None:
    """Returns the local file or folder of each role of an extractor's weights; None where one is missing.

    Args:
        spec: the extractor's row.
        given: what the user gave by family, see `given_places`.
        settings: where pulled weights lie.

    Raises:
        MissingError: what the user gave does not hold what the extractor needs.
    """
    found = given_places(spec.family, given)
    for role, place in found.items():
        if not place.exists():
            raise MissingError(f"--weights: {spec.name} needs {place} ({role}), which is not there")
    if any(missing(model, settings) for model in spec.models if model.role not in found):
        return None
    return {**spec.places(settings.weights), **found}


def adapter(name: str | None, settings: Settings) -> dict[str, Path]:
    """Returns the file of an adapter, a path or a model's name, by the role that extractors know it by.

    Raises:
        MissingError: it is not on this disk.
    """
    if name is None:
        return {}
    for model in known_as(name):
        if model.role == "adapter":
            if missing(model, settings):
                raise MissingError(f"the adapter {name} is not on this machine", hint=f"semcorr models pull {name}")
            return {"adapter": settings.weights / model.folder / model.main}
    return {"adapter": Path(name)}


def pull(
    model: Model, settings: Settings, progress: Progress, *, repository: str = "", revision: str = ""
) -> list[Path]:
    """Brings the files of a model that are not on this disk.

    Args:
        model: which.
        settings: where to, and from which hub.
        progress: told of every piece that comes.
        repository: to take instead of the model's own, a mirror.
        revision: of it; its `main` branch unless told otherwise.

    Returns:
        The files that came.

    Raises:
        MissingError: the network may not be used, or a file cannot be had.
        OutputError: a file cannot be written.
    """
    needed = missing(model, settings)
    if needed and settings.offline:
        raise MissingError(f"{model.name} is not on this machine, and the network may not be used")
    for file in needed:
        remote = Remote(
            host=files.GITHUB if model.host == GITHUB else settings.hub,
            repository=repository or model.repository,
            revision=revision or ("main" if repository else model.revision),
            path=file.path,
            size=file.size,
            digest=file.digest,
        )
        digest = files.fetch(remote, _place(model, file, settings), settings.weights / files.PARTS, progress)
        if digest and not file.digest:
            record = settings.weights / model.folder / DIGESTS
            record.write_text(json.dumps(_recorded(model, settings) | {file.path: digest}, indent=2) + "\n")
    return [_place(model, file, settings) for file in needed]


def verify(model: Model, settings: Settings) -> dict[str, str]:
    """Reads every byte of a model's files.

    Returns:
        By path inside the repository: "ok", "missing", "damaged", or "unknown" where no digest is known.
    """
    recorded = _recorded(model, settings)
    found = {}
    for file in model.files:
        place, digest = _place(model, file, settings), file.digest or recorded.get(file.path, "")
        if not place.is_file():
            found[file.path] = "missing"
        elif not digest:
            found[file.path] = "unknown"
        else:
            found[file.path] = "ok" if files.digest_of(place, like=digest) == digest else "damaged"
    return found


def _place(model: Model, file: WeightsFile, settings: Settings) -> Path:
    return settings.weights / model.folder / file.path


def _recorded(model: Model, settings: Settings) -> dict[str, str]:
    try:
        found = json.loads((settings.weights / model.folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
