import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout

from semcorr_cli.core.features import FeatureStack
from semcorr_cli.io.cache import SUFFIX, CacheInfo, FeatureCache


def features(seed: int = 0) -> FeatureStack:
    generator = torch.Generator().manual_seed(seed)
    layers = {"fine": torch.randn(16, 6, 8, generator=generator), "coarse": torch.randn(4, 3, 4, generator=generator)}
    return FeatureStack(layers, (61, 79), (6, 8), (1, 0, 4, 8))


def same(one: FeatureStack | None, other: FeatureStack) -> bool:
    assert one is not None
    assert (one.image_hw, one.grid_hw, one.inside) == (other.image_hw, other.grid_hw, other.inside)
    return sorted(one.layers) == sorted(other.layers) and all(
        torch.equal(one.layers[name], other.layers[name]) for name in other.layers
    )


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", 1 << 20)


def file_of(cache: FeatureCache, key: str) -> Path:
    return next(cache.folder.rglob(f"{key}{SUFFIX}"))


def test_what_is_put_in_comes_out(cache: FeatureCache) -> None:
    key = cache.key("recipe", "digest")
    assert cache.get(key) is None
    cache.put(key, features())
    found = cache.get(key)
    assert same(found, features())
    assert found is not None
    assert found.region is None


def test_half_precision_comes_out_as_float32_of_the_same_values(cache: FeatureCache) -> None:
    half = FeatureStack.single(features().layers["fine"].half().permute(0, 2, 1), (79, 61))
    cache.put("ab", half)
    found = cache.get("ab")
    assert found is not None
    assert found.layers["features"].dtype == torch.float32
    assert torch.equal(found.layers["features"], half.layers["features"].float())


def test_keys_differ_by_recipe_and_by_picture() -> None:
    keys = {FeatureCache.key(recipe, digest) for recipe in ("a", "b", "a:b") for digest in ("a", "b", "b:a")}
    assert len(keys) == 9
    assert FeatureCache.key("a", "b") in keys


def test_a_later_put_replaces_an_earlier_one(cache: FeatureCache) -> None:
    cache.put("ab", features(0))
    cache.put("ab", features(1))
    assert same(cache.get("ab"), features(1))
    assert cache.info().files == 1


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def emptied(_: bytes) -> bytes:
    return b""


def overwritten(_: bytes) -> bytes:
    return b"this is no safetensors file, but long enough to look like one"


def renamed(content: bytes) -> bytes:
    return content.replace(b"image_hw", b"image_sz")


def unlabelled(content: bytes) -> bytes:
    return content.replace(b"place", b"palce")


@pytest.mark.parametrize("damage", [cut, emptied, overwritten, renamed, unlabelled])
def test_a_damaged_file_counts_as_absent_and_is_removed(damage: Callable[[bytes], bytes], cache: FeatureCache) -> None:
    cache.put("ab", features())
    path = file_of(cache, "ab")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("ab") is None
    assert not path.exists()
    cache.put("ab", features())
    assert cache.get("ab") is not None


def test_info_counts_files_and_bytes(cache: FeatureCache) -> None:
    assert cache.info() == CacheInfo(0, 0)
    for number in range(3):
        cache.put(f"{number}x", features(number))
    assert cache.info() == CacheInfo(3, sum(path.stat().st_size for path in cache.folder.rglob(f"*{SUFFIX}")))
    assert len(list(cache.folder.rglob("*.part"))) == 0


def test_prune_removes_the_least_recently_used_first(cache: FeatureCache) -> None:
    for number in range(4):
        cache.put(f"{number}x", features(number))
        os.utime(file_of(cache, f"{number}x"), (1000 + number, 1000 + number))
    assert cache.get("0x") is not None  # now the most recent
    size = cache.info().size // 4
    assert cache.prune(2 * size) == CacheInfo(2, 2 * size)
    assert [cache.get(f"{number}x") is not None for number in range(4)] == [True, False, False, True]


def test_prune_stops_as_soon_as_the_limit_is_kept(cache: FeatureCache) -> None:
    for number in range(4):
        cache.put(f"{number}x", features(number))
    size = cache.info().size // 4
    assert cache.prune(4 * size) == CacheInfo(0, 0)
    assert cache.prune(4 * size - 1) == CacheInfo(1, size)
    assert cache.prune() == CacheInfo(0, 0)
    assert FeatureCache(cache.folder, size).prune() == CacheInfo(2, 2 * size)
    assert cache.prune(0) == CacheInfo(1, size)
    assert cache.info() == CacheInfo(0, 0)


def test_prune_takes_what_killed_processes_left_and_nothing_else(cache: FeatureCache) -> None:
    cache.put("ab", features())
    folder = file_of(cache, "ab").parent
    (folder / ".left.part").write_bytes(bytes(100))
    (folder / "README").write_text("not ours")
    (cache.folder / "notes.safetensors").write_text("not ours")
    cache.prune(0)
    left = sorted(path.name for path in cache.folder.rglob("*") if path.is_file())
    assert left == ["README", "notes.safetensors"]


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "cache", Path("/proc/self/cache")):
        cache = FeatureCache(folder, 1 << 20)
        cache.put("ab", features())
        assert cache.get("ab") is None
        assert cache.info() == cache.prune() == CacheInfo(0, 0)
    assert (tmp_path / "file").read_text() == "in the way"


def test_tensors_are_computed_once_and_remembered(cache: FeatureCache) -> None:
    value, calls = torch.randn(1, 7, 3), []

    def compute() -> torch.Tensor:
        calls.append(1)
        return value

    assert torch.equal(cache.remember("prompt", compute), value)
    assert torch.equal(cache.remember("prompt", compute), value)
    assert len(calls) == 1
    cache.remember("another prompt", compute)
    assert len(calls) == 2


def test_who_describes_a_picture_is_alone_with_it(cache: FeatureCache) -> None:
    with cache.alone(["ab", "cd", "ab"]):
        for key, is_free in (("ab", False), ("cd", False), ("ef", True)):
            lock = FileLock(cache.folder / "locks" / key[:2])
            try:
                lock.acquire(blocking=False)
            except Timeout:
                assert not is_free
            else:
                assert is_free
                lock.release()
    with cache.alone(["ab"]):
        pass


def test_locks_are_no_maps_and_no_obstacle(cache: FeatureCache, tmp_path: Path) -> None:
    with cache.alone(["ab"]):
        cache.put("ab", features())
    assert cache.info().files == 1
    (tmp_path / "file").write_text("in the way")
    with FeatureCache(tmp_path / "file", 1 << 20).alone(["ab"]):
        pass


def test_keeping_counts_the_folder_only_now_and_then(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("0x", features())
    size = cache.info().size
    small = FeatureCache(cache.folder, 3 * size)
    small.keep()
    calls = []
    monkeypatch.setattr(
        FeatureCache, "prune", lambda self, limit=None, real=FeatureCache.prune: calls.append(1) or real(self)
    )
    for number in range(1, 3):
        small.put(f"{number}x", features())
        small.keep()
    assert calls == []
    small.put("3x", features())
    small.keep()
    assert calls == [1]
    assert small.info().size <= 3 * size
