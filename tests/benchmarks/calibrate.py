"""Fits the verdict: python -m tests.benchmarks.calibrate CALTECH_KPS [--write]

Signs are collected on pairs with truth (plain and hard, of the folder in SPair-71k's layout and of the samples) and on
pairs that have none: different categories, and noise. A logistic regression of "PCK@0.10 >= 50" on the signs is
cross-validated over categories; printed are the area under the ROC curve, and what the verdicts say of whom. --write
puts the figures into the package.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from semcorr_cli import evaluate
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Signs, Verdict
from semcorr_cli.datasets import TruePair, hard, samples, spair
from semcorr_cli.evaluate import Protocol, Scored
from semcorr_cli.io import images
from semcorr_cli.matchers import verdict
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"
FOLDS = 5
RIDGE = 0.002
NAMES = tuple(verdict.WORDS)
WRONG_LIMIT = 0.02
"""Share of wrong pairs that the threshold of `good` lets pass; some room is left below the 3 per cent asked for."""

POOR = 0.25
"""Probability below which a result is poor."""


def collect(folder: Path, features: str, every: int) -> Iterator[dict[str, object]]:
    session = Session(SessionOptions(features=features), Settings.from_environment())
    sets = list(spair.read(folder)), list(samples.read(SAMPLES))
    plain = [pair for pairs in sets for pair in pairs[::every]]
    hardened = [made for pairs in sets for made in hard.harden(pairs[::every], 0, among=hard.pictures(pairs))]
    protocol = Protocol()
    for kind, pairs in (("plain", plain), ("hard", hardened)):
        nearest = (share(scored, protocol) for scored in evaluate.predict(pairs, session, "nearest"))
        for scored, without in zip(evaluate.predict(pairs, session, "warp"), nearest, strict=True):
            assert scored.quality is not None
            found = row(kind, scored.pair.category, scored.quality.signs, share(scored, protocol))
            yield found | {"nearest": without}
    for kind, category, source, target in wrong(plain):
        yield row(kind, category, session.correspond(source, target).quality.signs, 0.0)
    session.close()


def share(scored: Scored, protocol: Protocol) -> float:
    return 100 * float(scored.hits(0.10, protocol).float().mean())


def row(kind: str, category: str, signs: Signs, pck: float) -> dict[str, object]:
    return {"kind": kind, "category": category, "pck": pck} | verdict.values_of(signs)


def wrong(plain: list[TruePair]) -> Iterator[tuple[str, str, Image, Image]]:
    """Yields pairs that have no truth: half the number of the plain ones."""
    generator = torch.Generator().manual_seed(0)
    for number, pair in enumerate(plain[::2]):
        source = images.load(str(pair.source))
        if number % 8 == 0:
            shade = torch.full((3, 240, 320), 0.2 + 0.6 * float(torch.rand((), generator=generator)))
            yield "blank", pair.category, source, Image(shade, digest=f"blank {number}")
            grains = torch.rand(3, 240, 320, generator=generator)
            yield "noise", pair.category, source, Image(grains, digest=f"noise {number}")
            continue
        strangers = [other for other in plain if other.category != pair.category]
        stranger = strangers[int(torch.randint(len(strangers), (), generator=generator))]
        yield "wrong", pair.category, source, images.load(str(stranger.target))


def fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns bias and weights of a ridge logistic regression in which no good sign counts against a result."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(x)), (x - mean) / spread])

    def loss(w: NDArray[np.float64]) -> float:
        margin = (2 * y - 1) * (design @ w)
        return float(np.logaddexp(0, -margin).mean() + RIDGE * (w[1:] ** 2).sum() / 2)

    bounds = [(None, None)] + [(0.0, None)] * x.shape[1]
    w = minimize(loss, np.zeros(design.shape[1]), bounds=bounds).x
    return np.concatenate([[w[0] - (w[1:] * mean / spread).sum()], w[1:] / spread])


def auc(score: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Returns the area under the ROC curve: the chance that a successful pair scores above another."""
    up, down = score[y > 0], score[y == 0]
    return float((np.sign(up[:, None] - down[None]) / 2 + 0.5).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", default="builtin")
    parser.add_argument("--every", type=int, default=1, help="take every so manieth pair")
    parser.add_argument("--rows", type=Path, help="file to keep the collected signs in")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.rows and arguments.rows.exists():
        rows = json.loads(arguments.rows.read_text())
    else:
        rows = list(collect(arguments.folder, arguments.features, arguments.every))
        if arguments.rows:
            arguments.rows.write_text(json.dumps(rows))
    x = np.array([[r[name] for name in NAMES] for r in rows])
    pck = np.array([r["pck"] for r in rows])
    y = (pck >= 50).astype(np.float64)
    kinds = np.array([r["kind"] for r in rows])
    categories = sorted({r["category"] for r in rows})
    fold = np.array([categories.index(r["category"]) % FOLDS for r in rows])
    held = np.zeros(len(rows))
    for k in range(FOLDS):
        w = fit(x[fold != k], y[fold != k])
        held[fold == k] = w[0] + x[fold == k] @ w[1:]
    probability = 1 / (1 + np.exp(-held))
    never = np.isin(kinds, ["wrong", "noise", "blank"])
    # Noise and blank pictures are told easily: among all of them too many pictures of other things would pass.
    limits = [float(np.quantile(probability[group], 1 - WRONG_LIMIT)) for group in (never, kinds == "wrong")]
    good = max(0.5, *limits)
    print(f"{len(rows)} pairs, {int(y.sum())} successful; {FOLDS} folds over {len(categories)} categories")
    truth = ~never
    print(
        f"area under the ROC curve: all {auc(held, y):.3f}, pairs with truth {auc(held[truth], y[truth]):.3f}", end=""
    )
    print(f", plain {auc(held[kinds == 'plain'], y[kinds == 'plain']):.3f}")
    print(f"thresholds: good from {good:.3f}, poor below {POOR:.3f}")
    rendered = np.isin([r["category"] for r in rows], sorted({pair.category for pair in samples.read(SAMPLES)}))
    for kind in ("plain", "hard"):
        for name, chosen in (("of the folder", ~rendered), ("rendered", rendered)):
            own = pck[(kinds == kind) & chosen]
            before = np.array([r.get("nearest", np.nan) for r in rows])[(kinds == kind) & chosen]
            print(
                f"  PCK@0.10 per image: field {own.mean():.1f}, nearest neighbours {before.mean():.1f}, "
                f"{len(own)} {kind} pairs {name}"
            )
    for kind in ("plain", "hard", "wrong", "noise", "blank"):
        p, k = probability[kinds == kind], pck[kinds == kind]
        for name, chosen in (
            (Verdict.GOOD, p >= good),
            (Verdict.UNCERTAIN, (p < good) & (p >= POOR)),
            (Verdict.POOR, p < POOR),
        ):
            mean = (
                f"mean PCK {k[chosen].mean():5.1f}, successful {100 * (k[chosen] >= 50).mean():5.1f} %"
                if chosen.any()
                else ""
            )
            print(f"  {kind:6} {name.value:10} {100 * chosen.mean():5.1f} % of {len(p)}   {mean}")
    w = fit(x, y)
    for name, weight, value in zip(NAMES, w[1:], x.std(axis=0), strict=True):
        print(f"  {name:12} weight {weight:7.2f}, a standard deviation {weight * value:5.2f}")
    low = np.quantile(x[y > 0], 0.1, axis=0)
    if arguments.write:
        path = Path(verdict.__file__).with_name(verdict.TABLE)
        table = json.loads(path.read_text())
        table[arguments.features] = {
            "bias": round(float(w[0]), 4),
            "weights": {name: round(float(value), 4) for name, value in zip(NAMES, w[1:], strict=True)},
            "low": {name: round(float(value), 4) for name, value in zip(NAMES, low, strict=True)},
            "good": round(good, 4),
            "poor": POOR,
        }
        path.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
