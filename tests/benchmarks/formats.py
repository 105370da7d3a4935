"""Films in every format: python -m tests.benchmarks.formats A B

One morph of 60 frames at 512 × 512, written in every format as `semcorr morph` would: size, processor time a frame for
encoding alone, mean PSNR of the frames, and flicker (mean absolute error of the differences between neighbouring
frames). Beside ours, GIFs of the same frames as Pillow and FFmpeg make them. "table" is what the reference table of
encoders says of a film of another pair (a cat and an astronaut), so that only proportions compare.

Last, the speed of what comes after matching: preparing, drawing and writing films, in frames a second; and the seconds
that matching takes where features are in the cache.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.effects.frames import frames
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.pace import Pace, spread
from semcorr_cli.io import animation, images
from semcorr_cli.io.film import FilmOptions
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

HW = (512, 512)
COUNT = 60
ROUNDS = 5
FPS = Fraction(25)

Frames = list[NDArray[np.uint8]]

OURS = (
    ("gif", ".gif", {}, "10.2 MB 36.8 dB (Pillow, best PSNR)"),
    ("gif, bayer", ".gif", {"dither": "bayer"}, ""),
    ("gif, floyd-steinberg", ".gif", {"dither": "floyd-steinberg"}, ""),
    ("gif, global", ".gif", {"palette": "global"}, "5.5 MB 35.1 dB (FFmpeg, smallest)"),
    ("gif, global, bayer", ".gif", {"palette": "global", "dither": "bayer"}, "5.8 MB 34.1 dB"),
    ("gif, global, f.-steinberg", ".gif", {"palette": "global", "dither": "floyd-steinberg"}, "8.5 MB 32.6 dB"),
    ("webp", ".webp", {}, "1.22 MB 33 dB"),
    ("avif", ".avif", {}, "0.15 MB 36.0 dB"),
    ("mp4", ".mp4", {}, "0.32 MB 38.7 dB"),
    ("mp4, crf 23", ".mp4", {"crf": 23}, "0.18 MB 36.8 dB"),
    ("webm", ".webm", {}, "0.20 MB 36.9 dB"),
    ("apng", ".png", {}, "23.0 MB ∞"),
    ("folder of png", "", {}, "24.7 MB ∞"),
    ("folder of jpg", "", {"still": "jpg", "quality": 92}, ""),
)


def shown(path: Path) -> Frames:
    """Returns the frames of a film, those that the encoder has merged as often as they are shown."""
    if path.is_dir():
        return [np.asarray(Pillow.open(entry).convert("RGB")) for entry in sorted(path.iterdir())]
    found: Frames = []
    if path.suffix in (".webp", ".avif"):
        with Pillow.open(path) as picture:
            for k in range(getattr(picture, "n_frames", 1)):
                picture.seek(k)
                frame = np.asarray(picture.convert("RGB"))
                found += [frame] * max(1, round(picture.info["duration"] * FPS / 1000))
        return found
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def psnr(film: Frames, copy: Frames) -> float:
    errors = [float(np.square(a.astype(np.float64) - b).mean()) for a, b in zip(film, copy, strict=True)]
    return float(np.mean([np.inf if error == 0 else 10 * np.log10(255**2 / error) for error in errors]))


def flicker(film: Frames, copy: Frames) -> float:
    steps = zip(pairwise(film), pairwise(copy), strict=True)
    return float(
        np.mean([np.abs((b.astype(int) - a) - (d.astype(int) - c)).mean() for (a, b), (c, d) in steps]),
    )


def report(name: str, film: Frames, path: Path, write: Callable[[Path], None], table: str = "") -> None:
    start = time.process_time()
    write(path)
    spent = 1000 * (time.process_time() - start) / len(film)
    parts = list(path.iterdir()) if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in parts) / 1e6
    copy = shown(path)
    if len(copy) != len(film):
        print(f"{name:26} {size:6.2f} MB {spent:4.0f} ms: {len(copy)} frames of {len(film)} came back", flush=True)
        return
    quality, unsteady = psnr(film, copy), flicker(film, copy)
    print(f"{name:26} {size:6.2f} MB {spent:4.0f} ms {quality:6.2f} dB  flicker {unsteady:4.2f}  {table}", flush=True)


def ours(
    film: Iterable[NDArray[np.uint8]], glimpse: Iterable[NDArray[np.uint8]], options: dict[str, Any], path: Path
) -> None:
    how = FilmOptions(fps=FPS, **options)
    with animation.writing(path, HW, how, alpha=False, overwrite=False, glimpse=glimpse) as writer:
        for frame in film:
            writer.write(frame)


def pillows(film: Frames, method: Pillow.Quantize | None, path: Path) -> None:
    pictures = [Pillow.fromarray(frame) for frame in film]
    if method is not None:
        pictures = [picture.quantize(256, method, dither=Pillow.Dither.NONE) for picture in pictures]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 / FPS))


def ffmpegs(film: Frames, dither: str, path: Path) -> None:
    """Writes a GIF by palettegen over all frames and paletteuse."""
    size = {"width": HW[1], "height": HW[0], "format": "rgb24", "time_base": 1 / FPS}
    graph = av.filter.Graph()
    source, sink = graph.add_buffer(**size), graph.add("buffersink")
    maker = graph.add("palettegen", "stats_mode=full")
    source.link_to(maker)
    maker.link_to(sink)
    graph.configure()
    for frame in timed(film):
        source.push(frame)
    source.push(None)
    palette = sink.pull()
    palette.pts = 0
    graph = av.filter.Graph()
    source, sink = graph.add_buffer(**size), graph.add("buffersink")
    colours = graph.add_buffer(width=16, height=16, format=palette.format.name, time_base=1 / FPS)
    user = graph.add("paletteuse", f"dither={dither}")
    source.link_to(user, 0, 0)
    colours.link_to(user, 0, 1)
    user.link_to(sink)
    graph.configure()
    colours.push(palette)
    colours.push(None)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("gif", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = HW[1], HW[0], "pal8"

        def drain() -> None:
            with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
                while True:
                    container.mux(stream.encode(sink.pull()))

        for frame in timed(film):
            source.push(frame)
            drain()
        source.push(None)
        drain()
        container.mux(stream.encode(None))


def timed(film: Frames) -> Iterable[av.VideoFrame]:
    for k, frame in enumerate(film):
        picture = av.VideoFrame.from_ndarray(frame)
        picture.pts, picture.time_base = k, 1 / FPS
        yield picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    arguments = parser.parse_args()
    pair = images.load(arguments.a), images.load(arguments.b)
    session = Session(SessionOptions(), Settings.from_environment())
    field = session.correspond(*pair)
    morph = Morph(*pair, field, HW, MorphOptions(fit="stretch"))
    film = [morph.frame(k / (COUNT - 1)) for k in range(COUNT)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number, (name, suffix, options, table) in enumerate(OURS):
            path = folder / f"{number}{suffix}"
            report(name, film, path, lambda place, chosen=options: ours(film, film[::4], chosen, place), table)
        gif = folder / "reference.gif"
        report("Pillow's gif", film, gif, lambda place: pillows(film, None, place), "10.2 MB 36.8 dB")
        octree = Pillow.Quantize.FASTOCTREE
        report("Pillow's gif, octree", film, gif, lambda place: pillows(film, octree, place), "7.3 MB 35.8 dB")
        for dither, table in (("none", "5.5 MB 35.1 dB"), ("sierra2_4a", "8.5 MB 32.6 dB")):
            write = lambda place, chosen=dither: ffmpegs(film, chosen, place)  # noqa: E731
            report(f"FFmpeg's gif, {dither}", film, gif, write, table)
        for options, name in (({}, "the gif"), ({"palette": "global"}, "the gif, global"), ({"suffix": ".mp4"}, "mp4")):
            speed(pair, field, folder, name, **options)
        start = time.perf_counter()
        session.correspond(*pair)
        print(f"matching, features at hand: {time.perf_counter() - start:.2f} s")


def speed(
    pair: tuple[Image, Image], field: Correspondence, folder: Path, name: str, suffix: str = ".gif", **options: str
) -> None:
    """Prints how fast a film is drawn and written: the median of some rounds."""
    rounds = []
    for number in range(ROUNDS):
        wall, spent = time.perf_counter(), time.process_time()
        morph = Morph(*pair, field, HW, MorphOptions(fit="stretch"))
        glimpse = frames([morph], spread(1, 16))
        path = folder / f"{name} {number}{suffix}"
        ours(frames([morph], Pace(COUNT).moments(1)), glimpse, options, path)
        rounds.append((COUNT / (time.perf_counter() - wall), 1000 * (time.process_time() - spent) / COUNT))
    fast, spent = sorted(rounds)[ROUNDS // 2]
    print(f"drawing and writing {name}: {fast:.0f} frames/s, {spent:.0f} ms of processor each", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
