"""Features on disk, named by what was described and how; the oldest go when it gets too big."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semcorr_cli.core.features import FeatureStack

SUFFIX = ".safetensors"

PLACE = ("image_hw", "grid_hw", "inside")
"""Fields of a stack that say where its layers lie, kept as metadata."""

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
    """A folder of feature stacks. Failing to write is no failure: the stack is in memory anyway."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Names the folder, which is made when first written to, and the bytes it is kept below."""
        self.folder = folder
        self.limit = limit
        self._expected: int | None = None  # bytes in the folder, as far as this process knows
        self._stored = 0  # maps since they were counted

    @staticmethod
    def key(recipe: str, digest: str) -> str:
        """Returns the name of a picture's stack: a digest of everything that the numbers depend on."""
        return hashlib.sha256(f"{recipe}\n{digest}".encode()).hexdigest()

    def get(self, key: str) -> FeatureStack | None:
        """Returns a stack, or None; a damaged file counts as absent and is removed."""
        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                place = json.loads((file.metadata() or {})["place"])
                layers = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
                image_hw, grid_hw, inside = (tuple(place[name]) for name in PLACE)
                stack = FeatureStack(layers, image_hw, grid_hw, inside)
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, IndexError):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        return stack

    def put(self, key: str, stack: FeatureStack) -> None:
        """Stores a stack; it appears whole or not at all."""
        path = self._path(key)
        with contextlib.suppress(OSError, SafetensorError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
            os.close(descriptor)
            try:
                layers = {key: layer.to("cpu", torch.float32).contiguous() for key, layer in stack.layers.items()}
                save_file(layers, name, metadata={"place": json.dumps({key: getattr(stack, key) for key in PLACE})})
                if self._expected is not None:
                    self._expected += Path(name).stat().st_size
                self._stored += 1
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)

    def remember(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Returns the tensor (a, b, c) kept under a name, computed and stored the first time."""
        key = self.key(name, "")
        found = self.get(key)
        if found is not None:
            return found.layers["features"]
        value = compute()
        self.put(key, FeatureStack.single(value, (1, 1)))
        return value

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
        """Removes the least recently used files until at most `limit` bytes (default: the cache's own) are left.

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
