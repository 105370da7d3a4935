import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from semcorr_cli.errors import OutputError
from semcorr_cli.io import atomic


def listing(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(OutputError, match=reason) as caught:
        yield
    assert caught.value.exit_code == 6
    assert "\n" not in caught.value.message


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    with atomic.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(text)


def fill(path: Path, *texts: str, overwrite: bool = False) -> None:
    with atomic.replacing_folder(path, overwrite=overwrite) as temporary:
        for number, text in enumerate(texts):
            (temporary / f"frame_{number:05d}.png").write_text(text)


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_the_output_appears_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with atomic.replacing(path, overwrite=False) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        assert not path.exists()
        temporary.write_text("whole")
    assert listing(tmp_path) == {"a.png": "whole"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_leaves_the_folder_as_it_was(error: type[BaseException], overwrite: bool, tmp_path: Path) -> None:
    if overwrite:
        (tmp_path / "a.png").write_text("old")
    (tmp_path / "other").write_text("other")
    before = listing(tmp_path)
    with pytest.raises(error), atomic.replacing(tmp_path / "a.png", overwrite=overwrite) as temporary:
        temporary.write_text("new")
        raise error
    assert listing(tmp_path) == before


def test_an_existing_output_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(path, "old")
    with refused("exists already"):
        write(path, "new")
    assert listing(tmp_path) == {"a.png": "old"}
    write(path, "new", overwrite=True)
    assert listing(tmp_path) == {"a.png": "new"}


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    path = tmp_path / "a.png"
    with refused("appeared while it was being made"), atomic.replacing(path, overwrite=False) as temporary:
        temporary.write_text("mine")
        path.write_text("theirs")
    assert listing(tmp_path) == {"a.png": "theirs"}


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_file_systems_without_hard_links_will_do(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(number))
    write(tmp_path / "a.png", "text")
    assert listing(tmp_path) == {"a.png": "text"}


def test_a_missing_folder_is_named_with_the_way_to_make_it(tmp_path: Path) -> None:
    for attempt in (write, fill):
        with pytest.raises(OutputError, match="there is no folder") as caught:
            attempt(tmp_path / "no" / "a.png", "text")
        assert caught.value.hint == f"mkdir -p {tmp_path / 'no'}"


def test_a_folder_that_may_not_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))
    for attempt in (write, fill):
        with refused("is not writable"):
            attempt(tmp_path / "a.png", "text")
    assert listing(tmp_path) == {}


def test_a_folder_where_writing_fails_in_spite_of_its_permissions_is_explained() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder that nobody can write to")
    for attempt in (write, fill):
        with refused("cannot write /proc/self/a.png"):
            attempt(Path("/proc/self/a.png"), "text")


@pytest.mark.parametrize("name", ["fsync", "link"])
@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "input/output error")])
def test_a_disk_that_is_full_or_fails_is_called_by_its_name(
    name: str, number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, name, failing(number))
    with refused(f"cannot write {tmp_path / 'a.png'}: {reason}"):
        write(tmp_path / "a.png", "text")
    assert listing(tmp_path) == {}


def test_a_disk_that_fills_up_while_writing_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("old")
    with refused("the disk is full"), atomic.replacing(tmp_path / "a.png", overwrite=True) as temporary:
        temporary.write_text("half")
        failing(errno.ENOSPC)()
    with refused("the disk is full"), atomic.replacing_folder(tmp_path / "frames", overwrite=False):
        failing(errno.EDQUOT)()
    assert listing(tmp_path) == {"a.png": "old"}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_a_plain_open(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "a.png", "text")
        fill(tmp_path / "frames", "text")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "frames").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "frames" / "frame_00000.png").stat().st_mode) == 0o666 & ~mask


def test_a_folder_appears_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    with atomic.replacing_folder(tmp_path / "frames", overwrite=False) as temporary:
        (temporary / "frame_00000.png").write_text("a")
        assert not (tmp_path / "frames").exists()
    assert listing(tmp_path) == {"frames/frame_00000.png": "a"}
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_a_failure_keeps_the_old_frames(tmp_path: Path) -> None:
    fill(tmp_path / "frames", "a", "b")
    with pytest.raises(ZeroDivisionError), atomic.replacing_folder(tmp_path / "frames", overwrite=True) as temporary:
        (temporary / "frame_00000.png").write_text("c")
        raise ZeroDivisionError
    assert listing(tmp_path) == {"frames/frame_00000.png": "a", "frames/frame_00001.png": "b"}


def test_frames_are_replaced_only_on_request_and_empty_folders_filled(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    fill(tmp_path / "frames", "a", "b")
    with refused("exists already"):
        fill(tmp_path / "frames", "c")
    fill(tmp_path / "frames", "d", overwrite=True)
    assert listing(tmp_path) == {"frames/frame_00000.png": "d"}


@pytest.mark.parametrize("stranger", ["thesis.txt", "frame_a.png", "folder/frame_00000.png", ".hidden"])
def test_a_folder_with_anything_but_frames_is_never_cleared(stranger: str, tmp_path: Path) -> None:
    fill(tmp_path / "frames", "a")
    (tmp_path / "frames" / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / "frames" / stranger).write_text("precious")
    before = listing(tmp_path)
    with refused("holds more than frames"):
        fill(tmp_path / "frames", "b", overwrite=True)
    assert listing(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_a_file_in_the_place_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "frames").write_text("file")
    with refused("is a file, not a folder"):
        fill(tmp_path / "frames", "a", overwrite=True)
    assert listing(tmp_path) == {"frames": "file"}
    (tmp_path / "folder").mkdir()
    with refused("cannot write"):
        write(tmp_path / "folder", "a", overwrite=True)
    assert listing(tmp_path) == {"frames": "file"}
