"""Folders and environment variables: the only reader of `os.environ`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from semcorr_cli.errors import UsageError

VARIABLES = {
    "SEMCORR_HOME": "folder for weights (default: the user's data folder)",
    "SEMCORR_CACHE": "folder for cached features (default: the user's cache folder)",
    "SEMCORR_CACHE_LIMIT": "size the cache is kept below, such as 500M or 4G (default 4G)",
    "SEMCORR_OFFLINE": "1 forbids the network; HF_HUB_OFFLINE=1 does too",
    "HF_HUB_OFFLINE": "honoured like SEMCORR_OFFLINE",
    "HF_ENDPOINT": "address of the hub that weights are pulled from",
    "CUDA_VISIBLE_DEVICES": "honoured by torch",
    "NO_COLOR": "honoured by the terminal output",
}
"""What the environment can say, for `doctor` and the README."""

HUB = "https://huggingface.co"
"""Where weights are pulled from unless told otherwise."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie on this machine, and what is allowed.

    Attributes:
        weights: folder of downloaded weights.
        cache: folder of cached features.
        cache_limit: bytes that the cache is kept below.
        offline: the network may not be used.
        hub: address of the hub that weights are pulled from.
    """

    weights: Path
    cache: Path
    cache_limit: int
    offline: bool
    hub: str = HUB

    @classmethod
    def from_environment(cls) -> "Settings":
        """Reads the environment.

        Raises:
            UsageError: a variable has a value that makes no sense.
        """
        home = os.environ.get("SEMCORR_HOME")
        cache = os.environ.get("SEMCORR_CACHE")
        return cls(
            weights=(Path(home) if home else platformdirs.user_data_path("semcorr")) / "weights",
            cache=Path(cache) if cache else platformdirs.user_cache_path("semcorr"),
            cache_limit=parse_size(os.environ.get("SEMCORR_CACHE_LIMIT") or "4G", "SEMCORR_CACHE_LIMIT"),
            hub=(os.environ.get("HF_ENDPOINT") or HUB).rstrip("/"),
            offline=any(_truthy(os.environ.get(name)) for name in ("SEMCORR_OFFLINE", "HF_HUB_OFFLINE")),
        )


def parse_size(text: str, name: str) -> int:
    """Returns the bytes that "500M", "4G" or "1048576" stand for.

    Raises:
        UsageError: the text is not a size; `name` says whose value it is.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{name} is {text!r}, which is not a size", hint="write 500M or 4G")
    return int(float(match[1]) * UNITS[match[2].upper()])


def in_force() -> dict[str, str]:
    """Returns the variables of `VARIABLES` that are set, for `doctor`."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def pin_folders() -> None:
    """Makes folders that the environment names absolute, for processes that will stand elsewhere."""
    for name in ("SEMCORR_HOME", "SEMCORR_CACHE"):
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).absolute())


def threads(workers: int) -> int | None:
    """Returns the threads that each of several workers may use on this machine; None to leave it to the libraries."""
    if workers <= 1:
        return None
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    said = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores // workers, int(said) if said.isdigit() and int(said) else cores))


def calm_libraries() -> None:
    """Asks libraries that are not yet loaded to keep quiet and to share the machine; what is set already stands."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its whole configuration otherwise
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # loading weights from the disk needs no bars
    # Waiting OpenMP threads sleep instead of spinning: on a busy machine spinning costs several times the work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry, of others neither


def _truthy(value: str | None) -> bool:
    return value is not None and value.strip().lower() not in ("", "0", "false", "no", "off")
