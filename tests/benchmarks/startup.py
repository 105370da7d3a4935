"""What a warm `match` spends its time on: python -m tests.benchmarks.startup [A B]

The command on two pictures of 512 pixels whose features are cached, against importing torch and OpenCV alone, each in
processes of their own, the best of several.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image as Pillow

SAMPLES = Path(__file__).parents[2] / "samples"
REPEATS = 5


def best(command: list[str]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLES / "fox.jpg", SAMPLES / "corgi.jpg"])
    parser.add_argument("--features", default="builtin")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, path in enumerate(arguments.pictures):
            paths.append(str(Path(folder) / f"{number}.png"))
            with Pillow.open(path) as picture:
                picture.convert("RGB").resize((512, 512)).save(paths[-1])
        match = [sys.executable, "-m", "semcorr_cli", "match", *paths, "--features", arguments.features, "--json"]
        rows = {
            "python": best([sys.executable, "-c", "pass"]),
            "importing torch": best([sys.executable, "-c", "import torch"]),
            "importing torch and cv2": best([sys.executable, "-c", "import torch, cv2"]),
            "semcorr --help": best([sys.executable, "-m", "semcorr_cli", "--help"]),
            "match, nothing cached": best([*match, "--no-cache"]),
            "match, warm": best(match),
        }
    for name, seconds in rows.items():
        print(
            f"{name:26} {seconds:6.2f} s   {seconds / rows['importing torch and cv2']:5.2f} × importing torch and cv2"
        )


if __name__ == "__main__":
    main()
