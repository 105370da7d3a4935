"""Features on disk, named by what was described and how; the oldest go when it gets too big."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semcorr_cli.core.features import FeatureStack

SUFFIX = ".safetensors"

PLACE = ("image_hw", "grid_hw", "inside")
"""Fields of a stack that say where its layers lie, kept as metadata."""


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

    def info(self) -> CacheInfo:
        """Counts the files and their bytes."""
        sizes = [size for _, _, size in self._entries()]
        return CacheInfo(len(sizes), sum(sizes))

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
