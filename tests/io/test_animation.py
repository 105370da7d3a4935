import gc
import io
import struct
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.io import animation, colour
from semcorr_cli.io.animation import FORMATS, FilmOptions

Frames = NDArray[np.uint8]

SIZES = [(48, 64), (47, 61)]
COUNT = 5
LOOPING = (".gif", ".webp", ".png", ".apng", ".avif")
EXACT = (".png", ".apng")
"""GIF is exact as well for pictures of few colours."""

SIZED = [(suffix, hw) for suffix in FORMATS for hw in SIZES if hw == SIZES[0] or not FORMATS[suffix].even]


@pytest.fixture(autouse=True)
def _quiet_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVT_LOG", "1")


def frames(hw: tuple[int, int], *, alpha: bool = False, count: int = COUNT) -> Iterator[Frames]:
    """Yields two halves of colours that change, with a disc that moves: its inside is what alpha lets through."""
    y, x = np.mgrid[: hw[0], : hw[1]]
    for k in range(count):
        frame = np.zeros((*hw, 4 if alpha else 3), np.uint8)
        frame[..., 0], frame[..., 1] = 40 + 15 * k, 200 - 15 * k
        frame[:, : hw[1] // 2, 2] = 180
        disc = (y - hw[0] / 2) ** 2 + (x - 16 - 6 * k) ** 2 < 12**2
        if alpha:
            frame[..., 3] = np.where(disc, 255, 0)
            frame[~disc] = 0
        yield frame


def film(path: Path, made: Iterator[Frames], hw: tuple[int, int], *, alpha: bool = False, **options: object) -> None:
    chosen = FilmOptions(**{"fps": Fraction(10), "quality": 90, **options})
    with animation.writing(path, hw, chosen, alpha=alpha, overwrite=False) as writer:
        for frame in made:
            writer.write(frame)


def read_back(path: Path) -> list[Frames]:
    """Returns the frames as RGBA, by Pillow where it can and by PyAV elsewhere."""
    if path.suffix in LOOPING:
        with Pillow.open(path) as picture:
            shown = []
            for k in range(picture.n_frames):
                picture.seek(k)
                shown.append(np.asarray(picture.convert("RGBA")))
        return shown
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]


def milliseconds(path: Path) -> float:
    if path.suffix in LOOPING:
        with Pillow.open(path) as picture:
            total = 0.0
            for k in range(picture.n_frames):
                picture.seek(k)
                picture.load()
                total += picture.info["duration"]
        return total
    with av.open(str(path)) as container:
        return container.duration / 1000


@pytest.mark.parametrize(("suffix", "hw"), SIZED)
def test_every_frame_comes_back_in_its_colours(suffix: str, hw: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    film(path, frames(hw), hw)
    shown = read_back(path)
    assert len(shown) == COUNT
    for frame, original in zip(shown, frames(hw), strict=True):
        assert frame.shape == (*hw, 4)
        difference = np.abs(frame[..., :3].astype(int) - original)
        if suffix in (*EXACT, ".gif"):
            assert difference.max() == 0
        else:
            assert difference.mean() < 4
            away = np.abs(np.arange(hw[1]) - hw[1] // 2) > 4  # halved chroma blurs the border between the halves
            assert difference[:, away].max() < 24
        assert (frame[..., 3] == 255).all()


@pytest.mark.parametrize(("suffix", "hw"), [(s, hw) for s, hw in SIZED if FORMATS[s].pixels_alpha and s != ".webm"])
def test_alpha_moves_with_the_frames(suffix: str, hw: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    film(path, frames(hw, alpha=True), hw, alpha=True)
    shown = read_back(path)
    assert len(shown) == COUNT
    for frame, original in zip(shown, frames(hw, alpha=True), strict=True):
        assert np.array_equal(frame[..., 3], original[..., 3])
        inside = original[..., 3] == 255
        assert np.abs(frame[inside].astype(int) - original[inside]).mean() < (1 if suffix in (*EXACT, ".gif") else 12)


def test_webm_keeps_alpha_beside_the_colours(tmp_path: Path) -> None:
    path = tmp_path / "film.webm"
    film(path, frames(SIZES[0], alpha=True), SIZES[0], alpha=True)
    with av.open(str(path)) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        shown = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    assert len(shown) == COUNT
    for frame, original in zip(shown, frames(SIZES[0], alpha=True), strict=True):
        difference = np.abs(frame.to_ndarray(format="rgba")[..., 3].astype(int) - original[..., 3])
        assert difference.mean() < 8


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(1, 2)])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_film_lasts_as_long_as_its_pace_says(suffix: str, fps: Fraction, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    film(path, frames(SIZES[0], count=12), SIZES[0], fps=fps)
    assert len(read_back(path)) == 12
    # GIF counts hundredths of a second, WebP thousandths; Pillow rounds AVIF's durations
    assert milliseconds(path) == pytest.approx(float(1000 * 12 / fps), abs=10)


@pytest.mark.parametrize("loop", [0, 1, 4])
@pytest.mark.parametrize("suffix", LOOPING)
def test_a_film_says_how_often_it_is_played(suffix: str, loop: int, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    film(path, frames(SIZES[0]), SIZES[0], loop=loop)
    if suffix == ".avif":
        assert avif_plays(path.read_bytes()) == loop
        return
    with Pillow.open(path) as picture:
        said = picture.info.get("loop")
    if suffix == ".gif":  # repetitions after the first time; nothing said means once
        said = {None: 1, 0: 0}.get(said, (said or 0) + 1)
    assert said == loop


def avif_plays(content: bytes) -> int:
    """Returns how often an image sequence is played: its track is that many times as long as one play; 0 for ever."""
    header, edit = content.index(b"tkhd") + 4, content.index(b"elst") + 4
    long = content[header] == 1
    duration = struct.unpack_from(">Q" if long else ">I", content, header + (28 if long else 20))[0]
    flags, _, once = struct.unpack_from(">III", content, edit)
    if not flags & 1:
        return 1
    return 0 if duration >= 1 << 62 else round(duration / once)


def test_mp4_starts_at_once_and_plays_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path, frames(SIZES[0]), SIZES[0])
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert container.streams.video[0].average_rate == 10


def test_a_folder_holds_numbered_frames(tmp_path: Path) -> None:
    for alpha in (False, True):
        folder = tmp_path / f"frames{alpha}"
        film(folder, frames((9, 11), alpha=alpha), (9, 11), alpha=alpha)
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"frame_{k:05d}.png" for k in range(COUNT)]
        for name, original in zip(names, frames((9, 11), alpha=alpha), strict=True):
            with Pillow.open(io.BytesIO((folder / name).read_bytes())) as picture:
                assert np.array_equal(np.asarray(picture), original)
                assert picture.info["icc_profile"] == colour.srgb_profile()


@pytest.mark.parametrize("suffix", [*FORMATS, ""])
def test_a_failure_in_the_middle_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    def failing() -> Iterator[Frames]:
        yield from frames(SIZES[0], count=3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        film(tmp_path / f"film{suffix}", failing(), SIZES[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [*FORMATS, ""])
def test_frames_are_forgotten_as_soon_as_they_are_written(suffix: str, tmp_path: Path) -> None:
    alive: list[weakref.ref[Frames]] = []
    chosen = FilmOptions(fps=Fraction(10))
    with animation.writing(tmp_path / f"film{suffix}", SIZES[0], chosen, alpha=False, overwrite=False) as writer:
        for frame in frames(SIZES[0], count=8):
            writer.write(frame)
            alive.append(weakref.ref(frame))
        del frame
        gc.collect()
        assert [reference() for reference in alive] == [None] * 8


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_is_called_by_its_name(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    opened = av.open
    monkeypatch.setattr(av, "open", lambda _, *rest, **options: opened("/dev/full", *rest, **options))
    with pytest.raises(OutputError, match="the disk is full"):
        film(tmp_path / f"film{suffix}", frames(SIZES[0]), SIZES[0])
    assert list(tmp_path.iterdir()) == []


def test_what_an_encoder_cannot_do_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        film(tmp_path / "film.mp4", frames((47, 61)), (47, 61))
    assert list(tmp_path.iterdir()) == []


def test_a_format_is_chosen_by_the_suffix_alone(tmp_path: Path) -> None:
    assert animation.film_format(Path("A.GIF")) is FORMATS[".gif"]
    assert animation.film_format(tmp_path / "frames") is None
    with pytest.raises(UsageError, match=r"\.gif \.webp"):
        animation.film_format(Path("film.mkv"))
