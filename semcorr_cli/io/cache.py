"""Feature maps on disk, named by what was described and how; the oldest go when it gets too big."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from semcorr_cli.core.features import FeatureMap

SUFFIX = ".safetensors"

LOCKS = "locks"
"""Folder, inside the cache's, of the files that processes lock while they describe a picture."""

UNCOUNTED = 64
"""Maps that are stored at most before the folder is counted again: other processes write to it too."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """How much lies in the cache."""

    files: int
    size: int


class FeatureCache:
    """A folder of feature maps. Failing to write is no failure: the map is in memory anyway."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Names the folder, which is made when first written to, and the bytes it is kept below."""
        self.folder = folder
        self.limit = limit
        self._expected: int | None = None  # bytes in the folder, as far as this process knows
        self._stored = 0  # maps since they were counted

    @staticmethod
    def key(recipe: str, digest: str) -> str:
        """Returns the name of a picture's map: a digest of everything that the numbers depend on."""
        return hashlib.sha256(f"{recipe}\n{digest}".encode()).hexdigest()

    def get(self, key: str) -> FeatureMap | None:
        """Returns a map, or None; a damaged file counts as absent and is removed."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                hw = json.loads((file.metadata() or {})["image_hw"])
                features = FeatureMap(file.get_tensor("features").clone(), (int(hw[0]), int(hw[1])))
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, IndexError):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return features

    def put(self, key: str, features: FeatureMap) -> None:
        """Stores a map; it appears whole or not at all."""
        path = self._path(key)
        with contextlib.suppress(OSError, SafetensorError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            os.close(descriptor)
            try:
                data = features.data.to("cpu", torch.float32).contiguous()
                save_file({"features": data}, name, metadata={"image_hw": json.dumps(features.image_hw)})
                if self._expected is not None:
                    self._expected += Path(name).stat().st_size
                self._stored += 1
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self, keys: Sequence[str]) -> Iterator[None]:
        """Makes sure that no other process is at these maps, so that none is made twice; where locks work, that is."""
        with contextlib.ExitStack() as held:
            for name in sorted({key[:2] for key in keys}):  # in one order, so that nobody waits in a circle
                with contextlib.suppress(OSError, NotImplementedError):
                    (self.folder / LOCKS).mkdir(parents=True, exist_ok=True)
                    held.enter_context(FileLock(self.folder / LOCKS / name))
            yield

    def info(self) -> CacheInfo:
        """Counts the files and their bytes."""
        sizes = [size for _, _, size in self._entries()]
        return CacheInfo(len(sizes), sum(sizes))

    def keep(self) -> None:
        """Keeps the folder below its limit; cheap when called often, for it is counted only now and then."""
        if self._expected is None or self._expected > self.limit or self._stored >= UNCOUNTED:
            self.prune()
            self._expected, self._stored = self.info().size, 0

    def prune(self, limit: int | None = None) -> CacheInfo:
        """Removes the least recently used maps until at most `limit` bytes (default: the cache's own) are left.

        Returns:
            What was removed.
        """
        limit = self.limit if limit is None else limit
        entries = sorted(self._entries())
        total = sum(size for _, _, size in entries)
        removed = freed = 0
        for _, path, size in entries:
            if total - freed <= limit:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                removed, freed = removed + 1, freed + size
        return CacheInfo(removed, freed)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def _entries(self) -> Iterator[tuple[float, Path, int]]:
        """Yields (last use, path, bytes), abandoned temporary files included; what vanishes meanwhile is skipped."""
        if not self.folder.is_dir():
            return
        for path in self.folder.glob("??/*"):
            if path.suffix in (SUFFIX, ".part"):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    yield status.st_mtime, path, status.st_size
