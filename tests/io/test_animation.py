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
from semcorr_cli.io.film import FORMATS, STILLS, FilmOptions, film_format
from semcorr_cli.io.stills import sheet_hw
from tests.conftest import textured

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
        if suffix == ".avif":
            assert np.abs(frame[..., 3].astype(int) - original[..., 3]).mean() < 3
        else:
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


def test_a_transparent_avif_lasts_as_long_as_its_pace_says(tmp_path: Path) -> None:
    path = tmp_path / "film.avif"
    film(path, frames(SIZES[0], alpha=True, count=12), SIZES[0], alpha=True, fps=Fraction(30000, 1001))
    assert len(read_back(path)) == 12
    assert milliseconds(path) == pytest.approx(12 * 1001 / 30, abs=1)


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


@pytest.mark.parametrize("suffix", [".webp", ".mp4", ".webm", ".avif"])
def test_a_long_film_does_not_get_worse(suffix: str, tmp_path: Path) -> None:
    path, count = tmp_path / f"film{suffix}", 40
    first, last = (textured((96, 128), seed).astype(float) for seed in range(2))
    made = [(first + (last - first) * k / count).astype(np.uint8) for k in range(count)]
    film(path, iter(made), (96, 128), quality=80)
    errors = [np.abs(f[..., :3].astype(int) - m).mean() for f, m in zip(read_back(path), made, strict=True)]
    assert np.mean(errors[-5:]) < 1.5 * np.mean(errors[:5]) + 0.5


def test_held_pictures_cost_a_webp_nothing(tmp_path: Path) -> None:
    for held in (0, 30):
        path = tmp_path / f"film{held}.webp"
        one, other = frames(SIZES[0], count=2)
        film(path, iter([one, *[other] * (1 + held)]), SIZES[0])
        assert milliseconds(path) == pytest.approx(100 * (2 + held), abs=1)
        assert np.abs(read_back(path)[-1][..., :3].astype(int) - other).mean() < 4
    assert (tmp_path / "film30.webp").stat().st_size < 1.6 * (tmp_path / "film0.webp").stat().st_size


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


@pytest.mark.parametrize("still", ["jpg", "webp"])
def test_a_folders_frames_are_what_was_asked_for(still: str, tmp_path: Path) -> None:
    film(tmp_path / "frames", frames(SIZES[0]), SIZES[0], still=still)
    film(tmp_path / "coarse", frames(SIZES[0]), SIZES[0], still=still, quality=5)
    for number, original in enumerate(frames(SIZES[0])):
        name = f"frame_{number:05d}.{still}"
        with Pillow.open(tmp_path / "frames" / name) as picture:
            assert picture.format == STILLS[still]
            assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - original).mean() < 4
        assert (tmp_path / "coarse" / name).stat().st_size < (tmp_path / "frames" / name).stat().st_size
    assert len(list((tmp_path / "frames").iterdir())) == COUNT


@pytest.mark.parametrize("alpha", [False, True])
def test_a_contact_sheet_holds_the_frames_row_by_row(alpha: bool, tmp_path: Path) -> None:
    path, hw = tmp_path / "sheet.png", (20, 30)
    film(path, frames(hw, alpha=alpha), hw, alpha=alpha, grid=(3, 2))
    sheet = np.asarray(Pillow.open(path))
    assert sheet.shape == (*sheet_hw(hw, (3, 2)), 4 if alpha else 3)
    gap = sheet.shape[0] - 2 * hw[0]
    for number, original in enumerate(frames(hw, alpha=alpha)):
        top, left = (hw[0] + gap) * (number // 3), (hw[1] + gap) * (number % 3)
        assert np.array_equal(sheet[top : top + hw[0], left : left + hw[1]], original)
    assert (sheet[hw[0] : hw[0] + gap, :, 3 if alpha else 0] == (0 if alpha else 255)).all()


def test_a_sheet_larger_than_its_format_can_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="as WEBP"):
        film(tmp_path / "sheet.webp", frames((8, 400), count=2), (8, 400), grid=(50, 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avif"])
def test_a_rate_factor_decides_the_size(suffix: str, tmp_path: Path) -> None:
    sizes = []
    for crf in (1, 50):
        film(tmp_path / f"film{crf}{suffix}", (textured(SIZES[0], k) for k in range(3)), SIZES[0], crf=crf)
        sizes.append((tmp_path / f"film{crf}{suffix}").stat().st_size)
    assert sizes[0] > 2 * sizes[1]


def test_a_global_palette_is_the_same_in_every_frame(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    with animation.writing(
        path, SIZES[0], FilmOptions(palette="global"), alpha=False, overwrite=False, glimpse=frames(SIZES[0])
    ) as writer:
        for frame in frames(SIZES[0]):
            writer.write(frame)
    for frame, original in zip(read_back(path), frames(SIZES[0]), strict=True):
        assert np.array_equal(frame[..., :3], original)
    content = path.read_bytes()
    assert local_palettes(content) == 0
    film(tmp_path / "other.gif", frames(SIZES[0]), SIZES[0])
    assert local_palettes((tmp_path / "other.gif").read_bytes()) > 0


def local_palettes(content: bytes) -> int:
    """Returns how many frames of a GIF bring a palette of their own."""
    at, found = 13 + 3 * (2 << (content[10] & 7)) * (content[10] >> 7), 0
    while content[at] != 0x3B:
        if content[at] == 0x21:
            at += 2
        else:
            flags = content[at + 9]
            found += flags >> 7
            at += 11 + 3 * (2 << (flags & 7)) * (flags >> 7)
        while content[at]:
            at += content[at] + 1
        at += 1
    return found


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
        still = [reference() is not None for reference in alive]
        assert still[: -animation.AHEAD - 2] == [False] * (6 - animation.AHEAD)


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
    assert film_format(Path("A.GIF")) is FORMATS[".gif"]
    assert film_format(tmp_path / "frames") is None
    with pytest.raises(UsageError, match=r"\.gif \.webp"):
        film_format(Path("film.mkv"))
