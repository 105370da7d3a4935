"""How good morphs are: python -m tests.benchmarks.morph_score rendered FOLDER | photographs CALTECH_KPS | pair A B

Ours against a plain cross-dissolve in linear light and against a morph of triangles (Delaunay, affine in each) on the
same control points.

"rendered": in-between frames against the true in-between, PSNR and SSIM, for every two samples of a kind. FOLDER keeps
the true pictures, made by samples/make.py when they are not there (half a minute a pair). "masked" is ours when the
masks are given, "laplacian" ours with --blend laplacian.
"photographs": ghosting of pairs whose verdict is good. Ghosting is the energy of edges that are seen twice: in windows,
the geometric mean of the energies of the two pictures' contributions' edges less their correlation; it is none where
edges coincide or only one picture is seen. Mean over seven moments; reported as a share of the cross-dissolve's.
"in the frames": the same measured on the frames alone, as the least squares share of either warped picture's edges in
theirs, which counts broad colours that one picture wears of the other; and that as a share of all edges that are seen,
since what has more contrast has more of everything.
Pace: standard deviation of the steps between neighbouring frames over their mean; 0 is even. Most of it is
the easing's, which is meant; --pace even levels out both.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from torch import Tensor

from semcorr_cli.core import light
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Verdict
from semcorr_cli.datasets import samples, spair
from semcorr_cli.effects.layers import Layers
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.pace import EASINGS
from semcorr_cli.effects.retime import LOOK_SIDE, Tempo, even
from semcorr_cli.io import images
from semcorr_cli.matchers.looks import FieldOptions
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"
SIDE = 256
BETWEEN = (1, 2, 3)
FRAMES = 5
MOMENTS = tuple(k / 8 for k in range(1, 8))
STEPS = 16
STEADY = Tempo((0.0, 1.0), 0.0, 0.0)

Planes = Float[Tensor, "c h w"]
Contributions = Callable[[float], tuple[Planes, Planes]]


class Methods:
    """What each method's two pictures contribute to the frame at time t, linear planes."""

    def __init__(self, source: Image, target: Image, session: Session, hw: Hw, options: MorphOptions) -> None:
        self.field = session.correspond(source, target)
        self.morph = Morph(source, target, self.field, hw, options)
        self.banded = Morph(source, target, self.field, hw, replace(options, blend="laplacian"))
        self.options = options
        # A still morph places both pictures in the frame.
        still = Morph(source, target, None, hw, options)
        first, second = still.shape.maps(0.0)
        self.placed = [
            light.to_linear(read(image, map_.rows(0, hw[0])))
            for image, map_ in zip((source, target), (first, second), strict=True)
        ]
        self.hw = hw

    def table(self) -> dict[str, Contributions]:
        ours = {"ours": self.morph.contributions, "laplacian": self.banded.contributions}
        return {"dissolve": self.dissolve, "triangles": self.triangles, **ours}

    def pictures(self, name: str, t: float) -> tuple[Planes, Planes]:
        """Returns the two pictures as a method has warped them, before they are mixed."""
        if name in ("dissolve", "triangles"):
            first, second = getattr(self, name)(t)
            share = EASINGS[self.options.color_easing](t)
            return first / (1 - share), second / share
        return self.morph._read(self.morph._at(t)[0])

    def dissolve(self, t: float) -> tuple[Planes, Planes]:
        share = EASINGS[self.options.color_easing](t)
        return (1 - share) * self.placed[0], share * self.placed[1]

    def triangles(self, t: float) -> tuple[Planes, Planes]:
        controls = self.morph.shape.controls
        s, share = EASINGS[self.options.shape_easing](t), EASINGS[self.options.color_easing](t)
        between = torch.lerp(controls.start, controls.end, s).numpy().astype(np.float64)
        maps = [triangle_map(between, ends.numpy(), self.hw) for ends in (controls.start, controls.end)]
        first, second = (
            light.to_linear(read(Image(light.to_srgb(planes)), positions))
            for planes, positions in zip(self.placed, maps, strict=True)
        )
        return (1 - share) * first, share * second


def read(image: Image, positions: Float[Tensor, "h w 2"]) -> Planes:
    at = (positions - 0.5).numpy().astype(np.float32)
    planes = np.ascontiguousarray(image.rgb.permute(1, 2, 0).numpy())
    drawn = cv2.remap(planes, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return torch.from_numpy(drawn).permute(2, 0, 1).clamp(0, 1)


def triangle_map(between: NDArray[np.float64], ends: NDArray[np.float32], hw: Hw) -> Float[Tensor, "h w 2"]:
    """Returns where every pixel of a frame is read: affine in each triangle of the moment's control points."""
    mesh = Delaunay(between)
    y, x = np.mgrid[: hw[0], : hw[1]] + 0.5
    at = np.stack([x.ravel(), y.ravel()], axis=1)
    face = mesh.find_simplex(at)
    held = np.clip(face, 0, None)
    two = np.einsum("nij,nj->ni", mesh.transform[held, :2], at - mesh.transform[held, 2])
    weights = np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1)
    mapped = (weights[..., None] * ends[mesh.simplices[held]]).sum(axis=1)
    mapped[face < 0] = at[face < 0]
    return torch.from_numpy(mapped.reshape(*hw, 2).astype(np.float32))


def frame(contributions: tuple[Planes, Planes]) -> NDArray[np.uint8]:
    planes = (contributions[0] + contributions[1]).clamp(0, 1)
    return light.to_srgb_bytes(planes).permute(1, 2, 0).numpy()


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], weight: NDArray[np.float64]) -> float:
    error = (a.astype(np.float64) - b) ** 2
    return float(10 * np.log10(255**2 / ((error.mean(axis=2) * weight).sum() / weight.sum())))


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Structural similarity (Wang et al. 2004) of the grey pictures."""
    x, y = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float64) for p in (a, b))

    def blurred(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return cv2.GaussianBlur(p, (11, 11), 1.5)

    mx, my = blurred(x), blurred(y)
    vx, vy, vxy = blurred(x * x) - mx * mx, blurred(y * y) - my * my, blurred(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(value.mean())


def ghosting(contributions: tuple[Planes, Planes]) -> float:
    """Returns the mean energy of edges seen twice, in sRGB steps squared."""
    total = contributions[0] + contributions[1]
    one, two = (edges(part, total) for part in contributions)
    common = common_energy(one, two)
    return float((np.sqrt(common_energy(one, one) * common_energy(two, two)) - np.abs(common)).clip(0).mean())


def edges(planes: Planes, seen: Planes) -> NDArray[np.float32]:
    """Returns the edges of linear planes as they look in a frame, in sRGB steps."""
    slope = 0.44 * (seen.clamp(0, 1).mean(dim=0) + 0.003) ** -0.58  # of the sRGB curve
    grey = cv2.GaussianBlur(planes.mean(dim=0).numpy(), (0, 0), 1.0)
    return np.stack([cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)]) / 8 * slope.numpy()


def common_energy(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    sigma = 0.015 * max(one.shape)
    common = cv2.GaussianBlur((one * two).sum(axis=0), (0, 0), sigma)
    return np.maximum(common, 0) if one is two else common


def ghosting_in_frame(seen: Planes, pictures: tuple[Planes, Planes]) -> tuple[float, float]:
    """Returns the mean energy of edges seen twice and of all edges, from a frame and the two pictures it is made of."""
    whole, one, two = (edges(planes, seen) for planes in (seen, *pictures))
    first, second, common = common_energy(one, one), common_energy(two, two), common_energy(one, two)
    with_first, with_second = common_energy(whole, one), common_energy(whole, two)
    determinant = (1 + 1e-3) * first * second - common**2 + 1e-14
    share = (second * with_first - common * with_second) / determinant
    other = (first * with_second - common * with_first) / determinant
    twice = np.abs(share * other) * (np.sqrt(first * second) - np.abs(common)).clip(0)
    return float(twice.mean()), float(np.square(whole).sum(axis=0).mean())


def unevenness(contributions: Contributions, tempo: Tempo = STEADY) -> float:
    film = [frame(contributions(tempo.at(k / STEPS))).astype(np.float64) for k in range(STEPS + 1)]
    steps = [float(np.abs(a - b).mean()) for a, b in itertools.pairwise(film)]
    return statistics.pstdev(steps) / max(statistics.mean(steps), 1e-9)


def evened(methods: Methods) -> float:
    """Returns the unevenness of ours with --pace even."""
    return unevenness(methods.morph.contributions, even(partial(methods.morph.small, longer=LOOK_SIDE), STEPS))


def rendered(folder: Path, session: Session, only: str | None) -> None:
    names = sorted(
        {tuple(sorted((p["source"], p["target"]))) for p in samples.index(SAMPLES)["pairs"]},
    )
    scores: dict[str, list[tuple[float, float, float]]] = {}
    options = MorphOptions(shape_easing="linear", color_easing="linear")
    for a, b in names:
        one, two = Path(a).stem, Path(b).stem
        place = folder / f"{one}--{two}"
        reverse = folder / f"{two}--{one}"
        place = reverse if reverse.is_dir() else place
        if only and only not in place.name:
            continue
        if not (place / f"{FRAMES - 1:02d}.png").is_file():
            command = [sys.executable, str(SAMPLES / "make.py"), "--between", one, two, "--frames", str(FRAMES)]
            subprocess.run([*command, "--size", str(SIDE), "--out", str(place)], check=True)
        ends = [images.load(str(place / f"{k:02d}.png")) for k in (0, FRAMES - 1)]
        methods = Methods(ends[0], ends[1], session, ends[0].hw, options)
        line = []
        masked = [
            replace(end, mask=images.load_mask(str(place / f"{k:02d}.mask.png"), end.hw))
            for end, k in zip(ends, (0, FRAMES - 1), strict=True)
        ]
        apart = Layers(masked[0], masked[1], session.correspond(*masked), ends[0].hw, options)
        for name, contributions in {**methods.table(), "masked": apart.contributions}.items():
            rows = []
            for k in BETWEEN:
                truth = images.to_bytes(images.load(str(place / f"{k:02d}.png")))
                mask = images.load(str(place / f"{k:02d}.mask.png")).rgb[0].double().numpy()
                made = frame(contributions(k / (FRAMES - 1)))
                everywhere = np.ones_like(mask)
                rows.append((psnr(made, truth, everywhere), psnr(made, truth, mask), ssim(made, truth)))
            mean = tuple(statistics.mean(column) for column in zip(*rows, strict=True))
            scores.setdefault(name, []).append(mean)  # type: ignore[arg-type]
            line.append(f"{name} {mean[0]:5.2f} {mean[1]:5.2f} {mean[2]:.3f}")
        best = all(
            scores["ours"][-1][k] >= scores[other][-1][k] for other in ("dissolve", "triangles") for k in (0, 1, 2)
        )
        verdict = methods.field.quality.verdict
        print(f"{place.name:18} {verdict:9} {'  '.join(line)}  {'best' if best else 'NOT BEST'}", flush=True)
    for name, rows in scores.items():
        mean = [statistics.mean(column) for column in zip(*rows, strict=True)]
        print(
            f"{name:10} PSNR {mean[0]:.2f} dB, on the object {mean[1]:.2f} dB, SSIM {mean[2]:.3f} ({len(rows)} pairs)"
        )


def photographs(folder: Path, session: Session, count: int) -> None:
    shares: dict[str, list[float]] = {}
    paces: dict[str, list[float]] = {}
    seen: dict[str, list[tuple[float, float]]] = {}
    every = list(spair.read(folder))
    for pair in every[:: max(1, len(every) // count)]:
        source, target = images.load(str(pair.source)), images.load(str(pair.target))
        scale = SIDE / max(source.hw)
        hw = round(source.hw[0] * scale), round(source.hw[1] * scale)
        methods = Methods(source, target, session, hw, MorphOptions())
        if methods.field.quality.verdict is not Verdict.GOOD:
            continue
        found = dict(ghosts(methods))
        for name, value in found.items():
            shares.setdefault(name, []).append(value / found["dissolve"])
        for name, contributions in methods.table().items():
            paces.setdefault(name, []).append(unevenness(contributions))
            seen.setdefault(name, []).append(in_frames(methods, name))
        paces.setdefault("even", []).append(evened(methods))
        print(f"{pair.name:50} " + "  ".join(f"{name} {values[-1]:.2f}" for name, values in shares.items()), flush=True)
    for name, values in shares.items():
        half = sum(value <= 0.5 for value in values)
        print(
            f"{name:10} ghosting {statistics.mean(values):.2f} of the dissolve's (worst {max(values):.2f}; at most half"
            f" for {half} of {len(values)} good pairs), pace {statistics.mean(paces[name]):.2f}"
        )
        pairs = [
            (a / plain, a / b / (plain / whole))
            for (a, b), (plain, whole) in zip(seen[name], seen["dissolve"], strict=True)
        ]
        energy, share = ([pair[k] for pair in pairs] for k in (0, 1))
        print(
            f"{'':10} in the frames {statistics.mean(energy):.2f} (worst {max(energy):.2f}), of all edges seen"
            f" {statistics.mean(share):.2f} (worst {max(share):.2f})"
        )
    print(f"ours with --pace even: pace {statistics.mean(paces['even']):.2f}")


def in_frames(methods: Methods, name: str) -> tuple[float, float]:
    contributions = methods.table()[name]
    rows = [ghosting_in_frame(sum(contributions(t)), methods.pictures(name, t)) for t in MOMENTS]
    twice, whole = zip(*rows, strict=True)
    return statistics.mean(twice), statistics.mean(whole)


def ghosts(methods: Methods) -> Iterator[tuple[str, float]]:
    for name, contributions in methods.table().items():
        yield name, statistics.mean(ghosting(contributions(t)) for t in MOMENTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rendered", "photographs", "pair"))
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=40, help="photograph pairs looked at, evenly chosen")
    parser.add_argument("--only", help="rendered pairs whose name has this in it")
    parser.add_argument("--features", default="auto")
    arguments = parser.parse_args()
    # Nothing is mirrored on the way between two renderings, nor where frames are compared.
    options = SessionOptions(features=arguments.features, field=FieldOptions(flip="never"))
    session = Session(options, Settings.from_environment())
    if arguments.what == "rendered":
        rendered(arguments.paths[0], session, arguments.only)
    elif arguments.what == "photographs":
        photographs(arguments.paths[0], session, arguments.count)
    else:
        source, target = (images.load(str(path)) for path in arguments.paths)
        methods = Methods(source, target, session, source.hw, MorphOptions())
        found = dict(ghosts(methods))
        for name, contributions in methods.table().items():
            share = found[name] / max(found["dissolve"], 1e-12)
            print(f"{name:10} ghosting {share:.2f} of the dissolve's, pace {unevenness(contributions):.2f}")
        print(f"ours with --pace even: pace {evened(methods):.2f}")
    session.close()


if __name__ == "__main__":
    with torch.inference_mode():
        main()
