"""What style transfer costs at 12 megapixels: python -m tests.benchmarks.style_cost

The time of `color`, features and matches aside, as a multiple of one sRGB→Lab→sRGB round trip of the content (in
strips, the cheaper way), and the memory of the whole command, decoding and encoding included.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from PIL import Image as Pillow

from semcorr_cli.effects.style import color
from semcorr_cli.effects.style.options import StyleOptions
from semcorr_cli.effects.style.render import STRIP_PIXELS
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"
SIZE = (4000, 3000)
ROUNDS = 3


def round_trip(rgb: torch.Tensor) -> None:
    for strip in rgb.split(max(1, STRIP_PIXELS // rgb.shape[2]), dim=1):
        lab_to_rgb(rgb_to_lab(strip))


def best(action: object) -> float:
    assert callable(action)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{name}.jpg" for name in ("bear", "hound")]
        for path in paths:
            Pillow.open(SAMPLES / path.name).resize(SIZE, Pillow.Resampling.BICUBIC).save(path, quality=95)
        command = [sys.executable, "-m", "semcorr_cli", "transfer-style", *map(str, paths), "-q"]
        subprocess.run([*command, "-o", str(Path(scratch) / "out.png")], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"the whole command: {peak:.0f} MB at its peak")
        pair = [images.load(str(path)) for path in paths]
        session = Session(SessionOptions(), Settings.from_environment())
        field, features = session.correspond(*pair), session.working_features(pair[0])[0]
        unit = best(lambda: round_trip(pair[0].rgb))
        print(f"one round trip: {unit:.2f} s")
        for name, options in (("color", StyleOptions()), ("color --stats cov", StyleOptions(stats="cov")),
                              ("color --no-edge-snap", StyleOptions(edge_snap=False))):  # fmt: skip
            seconds = best(lambda o=options: color.restyle(*pair, field, o, features=features))  # type: ignore[misc]
            print(f"{name:20} {seconds:6.2f} s, {seconds / unit:.1f} round trips")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
