"""Makes the README's pictures with the tool itself: python samples/show.py [FOLDER]"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
WIDTH = 1200
GAP = 12


def semcorr(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "semcorr_cli", *map(str, arguments), "--overwrite"], check=True)


def beside(paths: list[Path], target: Path) -> None:
    pictures = [Image.open(path).convert("RGB") for path in paths]
    side = (WIDTH - GAP * (len(pictures) - 1)) // len(pictures)
    pictures = [p.resize((side, round(p.height * side / p.width)), Image.Resampling.LANCZOS) for p in pictures]
    sheet = Image.new("RGB", (WIDTH, max(p.height for p in pictures)), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number * (side + GAP), 0))
    sheet.save(target, quality=88)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "show"
    folder.mkdir(exist_ok=True)
    beetle, van = HERE / "beetle.jpg", HERE / "van.jpg"
    film = ["--size", 280, "--frames", 14, "--fps", 12, "--hold", 6, "--ping-pong", "--gif-palette", "global"]
    semcorr("morph", beetle, van, *film, "-o", folder / "morph.gif")
    semcorr("morph", beetle, van, "--contact-sheet", "5x1", "--size", 232, "-o", folder / "sheet.jpg")
    with tempfile.TemporaryDirectory() as scratch:
        drawings = [Path(scratch) / f"{draw}.png" for draw in ("lines", "field")]
        for path in drawings:
            semcorr("match", HERE / "bear.jpg", HERE / "hound.jpg", "--draw", path.stem, "-o", path)
        beside(drawings, folder / "matches.jpg")
        warped = Path(scratch) / "warp.png"
        semcorr("warp", beetle, van, "-o", warped)
        beside([beetle, van, warped], folder / "warp.jpg")
        content, style = HERE / "fox.jpg", HERE / "zebra.jpg"
        styled = [Path(scratch) / f"{method}.png" for method in ("color", "patch")]
        for path in styled:
            semcorr("transfer-style", content, style, "--method", path.stem, "-o", path)
        beside([content, style, *styled], folder / "style.jpg")


if __name__ == "__main__":
    main()
