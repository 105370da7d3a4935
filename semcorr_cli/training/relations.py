"""Training of the network that tells what two pictures are to each other (`matchers.relation`).

Pictures of one folder show the same kind of thing, upright and facing the same way. Views of them are drawn through
known maps, so that the turn and the enlargement between any two views of one folder are known; views of two folders are
no kin. Every view is described once, by the built-in extractor's network; pairs are drawn from what was said of them.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from semcorr_cli.errors import InputError
from semcorr_cli.extractors.network import STRIDE, DescriptorNet
from semcorr_cli.matchers.relation import ANGLES, OCTAVES, STEP, RelationNet, RelationOptions, squares
from semcorr_cli.training import descent, views
from semcorr_cli.training.pictures import Pictures
from semcorr_cli.training.views import ViewOptions
from semcorr_cli.training.weights import write_halved

SIDE = 192
"""Side of a view in pixels: what the built-in extractor's quick look shows its network."""

TOGETHER = 64
"""Views that are described together."""

ANGLE_SPREAD, OCTAVE_SPREAD = 8.0, 0.3
"""How far a turn, in degrees, and an enlargement, in octaves, may be from a class and still be said to be of it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of views.

    Attributes:
        options: how far they go.
        share: views a picture.
        mirrored: chance that a view is mirrored.
        whole: the picture as it is, more or less, rather than in a strange place.
        blank: chance that what lies beside the picture is left out, as beside a picture that is no square.
    """

    options: ViewOptions
    share: float
    mirrored: float = 0.5
    whole: bool = False
    blank: float = 0.0


WHOLE = ViewOptions(
    zoom=(0.85, 1.12), turn=10, small_turn=5, stretch=0.06, shear=0.04, shift=0.04, elastic=0.01, ellipse=0,
    replicate=1, cutout=0.05, colour=0.4, mild=0.5,
)  # fmt: skip
PASTED = ViewOptions(zoom=(0.3, 1.4), turn=55, small_turn=25, shift=0.22, elastic=0.01, ellipse=0.3, replicate=0.1)
TURNED = replace(WHOLE, zoom=(0.45, 1.3), turn=50, small_turn=50, shift=0.15, mild=0.05)

KINDS = (
    Kind(WHOLE, 0.8, mirrored=0.15, whole=True, blank=1),
    Kind(replace(PASTED, mild=0.08), 1.4),
    Kind(replace(PASTED, mild=0.08, turn=180, small_turn=180), 0.4),
    Kind(TURNED, 0.5, blank=0.5),
)
"""Pictures as they are; cut out and put before others; the same at any angle; turned as a whole."""


@dataclass(frozen=True, slots=True)
class RelationTraining:
    """The recipe; MODEL_CARD.md tells how the shipped network came of it.

    Attributes:
        steps: how many.
        batch: pairs in a step.
        rate: highest learning rate.
        warmup: steps in which it rises; it falls along a cosine after that.
        weight_decay: of everything.
        clip: largest norm of the gradient.
        strangers: share of pairs that are no kin.
        whole: share of pairs of two whole pictures, and of pairs of which one is.
        balance: power of a folder's size that its chance is proportional to.
        seed: of everything random.
        network: sizes.
        kinds: of views.
    """

    steps: int = 4500
    batch: int = 64
    rate: float = 2e-3
    warmup: int = 100
    weight_decay: float = 0.05
    clip: float = 3.0
    strangers: float = 0.2
    whole: tuple[float, float] = (0.3, 0.55)
    balance: float = 0.5
    seed: int = 1
    network: RelationOptions = field(default_factory=RelationOptions)
    kinds: tuple[Kind, ...] = KINDS

    def views(self, pictures: int) -> int:
        """Returns how many views of so many pictures are described."""
        return sum(round(kind.share * pictures) for kind in self.kinds)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Views as the network sees them.

    Attributes:
        squares: (n, 2, c, GRID, GRID) descriptors of it and of itself mirrored, in half precision.
        linear: (n, 2, 2) linear part of the map from a view, its side being 1, to its picture, its longer side being 1.
        category: (n,) folder of the picture.
        whole: (n,) whether the view is the whole picture.
    """

    squares: Float[Tensor, "n two c g g"]
    linear: Float[Tensor, "n 2 2"]
    category: Tensor
    whole: Tensor


@torch.inference_mode()
def describe(
    pictures: Pictures, network: DescriptorNet, o: RelationTraining, progress: Callable[[int], None] | None = None
) -> Described:
    """Draws views of all pictures and describes them.

    Args:
        pictures: what to learn from.
        network: of the built-in extractor.
        o: the recipe.
        progress: told how many views are done.

    Raises:
        InputError: fewer than two folders of pictures that are alike.
    """
    if len(set(pictures.category.tolist()) - pictures.loose) < 2:
        raise InputError("poses are learnt from two or more folders of pictures that are alike")
    g, count, done = Generator().manual_seed(o.seed), len(pictures.hw), 0
    rows: list[tuple[Tensor, ...]] = []
    for kind in o.kinds:
        rounds = torch.cat([torch.randperm(count, generator=g) for _ in range(math.ceil(kind.share))])
        for index in rounds[: round(kind.share * count)].split(TOGETHER):
            rows.append(_described(pictures, index, network, kind, g))
            done += len(index)
            if progress is not None:
                progress(done)
    return Described(*(torch.cat(column) for column in zip(*rows, strict=True)))


def _described(
    pictures: Pictures, index: Tensor, network: DescriptorNet, kind: Kind, g: Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draws a view of each picture; returns the columns of `Described`."""
    mirror = torch.rand(len(index), generator=g) < kind.mirrored
    seen = views.make(pictures, index, mirror, (SIDE, SIDE), kind.options, g)
    inside = (seen.at - 0.5).abs().amax(-1) <= 0.5
    shown = inside | (torch.rand((), generator=g) >= kind.blank)
    shown = shown.view(-1, 1, SIDE // STRIDE, SIDE // STRIDE)
    both = [
        squares(network.describe(images.contiguous(memory_format=torch.channels_last)) * mask, (SIDE, SIDE))
        for images, mask in ((seen.images, shown), (seen.images.flip(3), shown.flip(3)))
    ]
    size = pictures.hw[index].flip(1)
    at = (seen.at - 0.5) * (size / size.amax(1, keepdim=True))[:, None]
    return (
        torch.stack(both, 1).half(),
        _linear(at),
        pictures.category[index],
        torch.full((len(index),), kind.whole),
    )


def _linear(at: Float[Tensor, "b n 2"]) -> Float[Tensor, "b 2 2"]:
    """Fits affine maps from cells of views to places and returns their linear parts."""
    cells = SIDE // STRIDE
    axis = (torch.arange(cells) + 0.5) / cells - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cell = torch.stack([x, y, torch.ones_like(x)], -1).view(1, -1, 3).expand(len(at), -1, -1)
    fitted: Tensor = torch.linalg.lstsq(cell, at).solution
    return fitted[:, :2].transpose(1, 2)


def truth(source: Float[Tensor, "b 2 2"], target: Float[Tensor, "b 2 2"]) -> tuple[Tensor, Tensor, Tensor]:
    """Returns after which mirroring, turn in degrees and enlargement in octaves sources look like targets.

    Args:
        source: linear parts of the maps from views to pictures.
        target: the same of the views that they are compared with.
    """
    moved = torch.linalg.solve(target, source)
    determinant = torch.linalg.det(moved)
    mirrored = determinant < 0
    turned = torch.where(mirrored[:, None, None], moved * torch.tensor([-1.0, 1.0]), moved)
    angle = torch.atan2(turned[:, 0, 1] - turned[:, 1, 0], turned[:, 0, 0] + turned[:, 1, 1])
    return mirrored, torch.rad2deg(angle), determinant.abs().clamp_min(1e-6).log2() / 2


class Pairs:
    """Draws pairs of views."""

    def __init__(self, described: Described, loose: frozenset[int], o: RelationTraining) -> None:
        self.options = o
        own = sorted(set(described.category.tolist()) - loose)
        self.members = {
            (c, whole): torch.nonzero((described.category == c) & (described.whole == whole))[:, 0]
            for c in own
            for whole in (False, True)
        }
        self.folders = torch.tensor([c for c in own if all(len(self.members[c, whole]) for whole in (False, True))])
        self.weight = torch.tensor([float(len(self.members[int(c), False])) for c in self.folders]).pow(o.balance)

    def draw(self, g: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the numbers of sources and of targets, and whether they are kin."""
        o, b = self.options, self.options.batch
        first = torch.multinomial(self.weight, b, replacement=True, generator=g)
        second = torch.multinomial(self.weight, b, replacement=True, generator=g)
        second = torch.where(torch.rand(b, generator=g) < o.strangers, second, first)
        chance, one = torch.rand(b, generator=g), torch.rand(b, generator=g) < 0.5
        both, either = chance < o.whole[0], chance < sum(o.whole)
        source = self._members(first, both | (either & one), g)
        return source, self._members(second, both | (either & ~one), g), first == second

    def _members(self, places: Tensor, whole: Tensor, g: Generator) -> Tensor:
        chance = torch.rand(len(places), generator=g).tolist()
        groups = [
            self.members[int(self.folders[place]), bool(all_)]
            for place, all_ in zip(places.tolist(), whole, strict=True)
        ]
        return torch.stack([group[int(c * len(group))] for group, c in zip(groups, chance, strict=True)])


def loss(network: RelationNet, described: Described, pairs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Returns the cross-entropy of turns and of octaves where pictures are kin, and of their being so."""
    source, target, kin = pairs
    looked_at = described.squares[source].float().flatten(0, 1)
    turns, octaves, related = network(looked_at, described.squares[target, 0].float().repeat_interleave(2, dim=0))
    turns, octaves, related = turns.unflatten(0, (-1, 2)), octaves.unflatten(0, (-1, 2)).mean(1), related.view(-1, 2)
    mirrored, angle, octave = truth(described.linear[source], described.linear[target])
    off = (angle[:, None] - torch.arange(ANGLES) * STEP + 180) % 360 - 180
    wanted = torch.zeros_like(turns)
    wanted[torch.arange(len(angle)), mirrored.long()] = torch.softmax(-0.5 * (off / ANGLE_SPREAD) ** 2, dim=1)
    sizes = torch.tensor(OCTAVES)
    apart = octave.clamp(OCTAVES[0], OCTAVES[-1])[:, None] - sizes
    wanted_octaves = torch.softmax(-0.5 * (apart / OCTAVE_SPREAD) ** 2, dim=1)
    of_turns = -(wanted.flatten(1) * turns.flatten(1).log_softmax(1)).sum(1)
    of_octaves = -(wanted_octaves * octaves.log_softmax(1)).sum(1)
    share = kin.float() / kin.float().sum().clamp(min=1)
    of_kin = functional.binary_cross_entropy_with_logits(related.mean(1), kin.float())
    total: Tensor = ((of_turns + 0.5 * of_octaves) * share).sum() + 0.5 * of_kin
    return total


def train(
    described: Described,
    loose: frozenset[int],
    o: RelationTraining,
    progress: Callable[[int, float], None] | None = None,
) -> RelationNet:
    """Trains a network on pairs of views.

    Args:
        described: the views.
        loose: folders whose pictures are alike in nothing.
        o: the recipe.
        progress: told after every step how many are done, and the loss.
    """
    torch.manual_seed(o.seed)
    g = Generator().manual_seed(o.seed)
    network, pairs = RelationNet(o.network), Pairs(described, loose, o)
    optimiser = torch.optim.AdamW(network.parameters(), o.rate, weight_decay=o.weight_decay)
    for step in range(o.steps):
        for group in optimiser.param_groups:
            group["lr"] = descent.cosine(o.rate, step, o.steps, o.warmup)
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            off = loss(network, described, pairs.draw(g))
        optimiser.zero_grad()
        off.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), o.clip)
        optimiser.step()
        if progress is not None:
            progress(step + 1, float(off.detach()))
    return network.eval()


def write(network: RelationNet, path: Path, about: Mapping[str, str] | None = None) -> None:
    """Writes a network in half precision, in one move, in place of an older one.

    Raises:
        ValueError: weights that half precision cannot hold.
        OutputError: the file cannot be written.
    """
    write_halved(network, path, {"relation": json.dumps(asdict(network.options)), **(about or {})})
