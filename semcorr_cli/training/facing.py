"""Training of the network that tells which end of a thing is which (`extractors.facing`).

Pictures of one folder show the same kind of thing facing the same way. Views of different pictures are mirrored one by
one; a place in the one picture belongs to the like place in the other, and not to the one across the picture's middle.
How much better the like places agree than those across, summed over a pair of views, is the logit of their being the
right ones: things without ends come to say nothing, as nothing tells their halves apart.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from semcorr_cli.errors import InputError
from semcorr_cli.extractors.facing import STRIDE, FacingNet
from semcorr_cli.extractors.network import STRIDE as VIEW_STRIDE
from semcorr_cli.extractors.network import DescriptorNet
from semcorr_cli.training import descent, views
from semcorr_cli.training.groups import pairs
from semcorr_cli.training.pictures import Pictures
from semcorr_cli.training.views import ViewOptions, Views

WHOLE = ViewOptions(
    zoom=(0.8, 1.5), turn=15, small_turn=6, stretch=0.08, shear=0.06, shift=0.06, elastic=0.015, ellipse=0,
    replicate=1, cutout=0.1, colour=0.6,
)  # fmt: skip
PASTED = ViewOptions(
    zoom=(0.6, 1.9), turn=55, small_turn=25, shift=0.2, elastic=0.02, ellipse=0.3, replicate=0.1, mild=0.08
)
"""Half of the views show pictures as they are, half what is cut out of them in other places."""

FEW = 3
"""Cells of a view with a counterpart at which nothing is learnt from a pair."""


@dataclass(frozen=True, slots=True)
class FacingTraining:
    """The recipe of the last run of the shipped weights, but for its steps and for what it drew more often.

    Attributes:
        steps: how many.
        kinds: folders in a step.
        members: pictures of each.
        sizes: of views, one of which is drawn at each step.
        dim: length of a descriptor.
        near: spread of the places that count as like, in pictures.
        rate: highest learning rate.
        head_rate: how many times faster the last layer learns, which is new.
        warmup: steps in which the rate rises; it falls along a cosine after that.
        weight_decay: of matrices and kernels.
        average: share of the averaged weights that a step keeps.
        clip: largest norm of the gradient.
        balance: power of a folder's size that its chance is proportional to.
        often: how many times more often than that folders are drawn whose ends are hard to learn, by their names. Seen
            in most steps, in large views, cars were learnt in 200 steps; seen in a tenth they were not in 9 000.
        seed: of everything random.
    """

    steps: int = 4500
    kinds: int = 4
    members: int = 6
    sizes: tuple[tuple[int, int], ...] = (
        (192, 288), (160, 240), (192, 256), (192, 192), (256, 192), (160, 160), (224, 224), (128, 192),
    )  # fmt: skip
    dim: int = 32
    near: float = 0.07
    rate: float = 8e-4
    head_rate: float = 3.0
    warmup: int = 100
    weight_decay: float = 0.05
    average: float = 0.995
    clip: float = 3.0
    balance: float = 0.5
    often: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1


class Groups:
    """Draws groups of pictures of one folder."""

    def __init__(self, pictures: Pictures, o: FacingTraining) -> None:
        self.options = o
        kept = {
            name: members
            for c, (name, members) in enumerate(zip(pictures.names, pictures.members(), strict=True))
            if c not in pictures.loose and len(members) > 1
        }
        if not kept:
            raise InputError("ends are learnt from folders of two or more pictures that are alike")
        unknown = sorted(set(o.often) - set(kept))
        if unknown:
            raise InputError(f"no folder of two or more pictures that are alike is called {', '.join(unknown)}")
        self.members = list(kept.values())
        size = torch.tensor([float(len(members)) for members in self.members])
        self.weight = size.pow(o.balance) * torch.tensor([float(o.often.get(name, 1.0)) for name in kept])

    def draw(self, g: Generator) -> Tensor:
        """Returns numbers of pictures (kinds * members,), all of a group different where there are enough."""
        o = self.options
        again = o.kinds > len(self.members)
        kinds = torch.multinomial(self.weight, o.kinds, replacement=again, generator=g)
        return torch.cat([self._some(self.members[k], g) for k in kinds.tolist()])

    def _some(self, members: Tensor, g: Generator) -> Tensor:
        rounds = math.ceil(self.options.members / len(members))
        return torch.cat([members[torch.randperm(len(members), generator=g)] for _ in range(rounds)])[
            : self.options.members
        ]


def draw_views(pictures: Pictures, index: Tensor, hw: tuple[int, int], g: Generator) -> Views:
    """Draws a view of each picture, mirrored or not, in either of two ways."""
    mirror, order = torch.rand(len(index), generator=g) < 0.5, torch.randperm(len(index), generator=g)
    halves = zip(order.tensor_split(2), (WHOLE, PASTED), strict=True)
    drawn = [views.make(pictures, index[half], mirror[half], hw, o, g) for half, o in halves if len(half)]
    back = order.argsort()
    columns = [torch.cat([getattr(part, name) for part in drawn])[back] for name in ("images", "at", "valid", "cell")]
    return Views(*columns)


def evidence(
    descriptors: Float[Tensor, "v d h w"], seen: Views, a: Tensor, b: Tensor, near: float
) -> tuple[Tensor, Tensor]:
    """Returns how much better like places of pairs of views agree than places across the middle, and whether any do.

    Args:
        descriptors: of the views.
        seen: the views.
        a: (p,) views whose cells are asked about.
        b: (p,) views that they are compared with.
        near: spread of the places that count as like, in pictures.
    """
    at, valid = _reduced(seen, (descriptors.shape[2], descriptors.shape[3]))
    said = descriptors.flatten(2).transpose(1, 2)

    def like(places: Tensor) -> tuple[Tensor, Tensor]:
        weight = torch.exp(-torch.cdist(places, at[b]).square() / (2 * near**2)) * valid[b][:, None]
        total = weight.sum(2)
        return torch.bmm(weight / (total[..., None] + 1e-3), said[b]), total > 0.3

    across = torch.stack([1 - at[a][..., 0], at[a][..., 1]], dim=2)
    (here, seen_here), (there, seen_there) = like(at[a]), like(across)
    counts = valid[a] * (seen_here & seen_there)
    cells = counts.sum(1)
    better = (said[a] * (here - there)).sum(2) * counts
    return better.sum(1) / cells.clamp(min=FEW), cells > FEW


def _reduced(seen: Views, hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Returns where cells at this network's stride look, and which share of them shows the picture."""
    h, w = (side * STRIDE // VIEW_STRIDE for side in hw)
    at = functional.avg_pool2d(seen.at.transpose(1, 2).unflatten(2, (h, w)), STRIDE // VIEW_STRIDE)
    valid = functional.avg_pool2d(seen.valid.float().view(-1, 1, h, w), STRIDE // VIEW_STRIDE)
    return at.flatten(2).transpose(1, 2), valid.flatten(1)


def train(
    pictures: Pictures,
    start: DescriptorNet | FacingNet,
    o: FacingTraining,
    progress: Callable[[int, float], None] | None = None,
) -> FacingNet:
    """Trains a network on groups of pictures.

    Args:
        pictures: what to learn from.
        start: the network whose trunk is trained further, all but its first layers; or one of this kind, all of which
            but its first layers is.
        o: the recipe.
        progress: told after every step how many are done, and the loss.

    Returns:
        The network with the mean of its latest weights.

    Raises:
        InputError: no folder of two or more pictures that are alike, or none of the name of one to draw more often.
    """
    torch.manual_seed(o.seed)
    g, groups = Generator().manual_seed(o.seed), Groups(pictures, o)
    network, sharpness = _begun(start, o)
    average, mean_sharpness = copy.deepcopy(network).eval().requires_grad_(False), sharpness.detach().clone()
    optimiser = _optimiser(network, sharpness, o)
    a, b = pairs(torch.arange(o.kinds).repeat_interleave(o.members))
    for step in range(o.steps):
        for group in optimiser.param_groups:
            group["lr"] = descent.cosine(o.rate * group["pace"], step, o.steps, o.warmup)
        hw = o.sizes[int(torch.randint(len(o.sizes), (1,), generator=g))]
        seen = draw_views(pictures, groups.draw(g), hw, g)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                early = network.early(seen.images.to(memory_format=torch.channels_last))
            descriptors = network.fused(early)
        logits, known = evidence(descriptors.float(), seen, a, b, o.near)
        off = functional.softplus(-sharpness.exp() * logits)[known].sum() / known.sum().clamp(min=1)
        optimiser.zero_grad()
        off.backward()
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], o.clip)
        optimiser.step()
        keep = min(o.average, (step + 1) / (step + 10))
        descent.average_into(average, network, keep)
        mean_sharpness.lerp_(sharpness.detach(), 1 - keep)
        if progress is not None:
            progress(step + 1, float(off.detach()))
    with torch.no_grad():
        for tensor in average.head.parameters():
            tensor.mul_((mean_sharpness / 2).exp())
    return average


def _begun(start: DescriptorNet | FacingNet, o: FacingTraining) -> tuple[FacingNet, nn.Parameter]:
    """Returns a network whose first layers, which are kept, learn nothing, and the logarithm of its sharpness."""
    if isinstance(start, FacingNet):
        # Its last layer has taken up the sharpness of its training.
        network, sharpness = copy.deepcopy(start).requires_grad_(True), 0.0
    else:
        network, sharpness = _on_trunk(start, o), 1.0
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    for part in (network.stem, network.stages[0]):
        part.eval().requires_grad_(False)
    return network, nn.Parameter(torch.tensor(sharpness))


def _on_trunk(start: DescriptorNet, o: FacingTraining) -> FacingNet:
    """Returns a network whose trunk is that of another, and whose last layer says nothing yet."""
    network = FacingNet(replace(start.options, dim=o.dim, classes=0))
    parts = {
        network.stem: start.stem,
        network.stages: start.stages,
        network.lateral: start.lateral[1:],
        network.smooth: start.smooth16,
    }
    for own, old in parts.items():
        own.load_state_dict(old.state_dict())
    for tensor in network.head.parameters():
        nn.init.normal_(tensor, std=0.003 if tensor.ndim > 1 else 0.0)
    return network


def _optimiser(network: FacingNet, sharpness: nn.Parameter, o: FacingTraining) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019): no decay of biases, norms and the last layer."""
    rest = [p for name, p in network.named_parameters() if p.requires_grad and not name.startswith("head.")]
    groups = descent.decayed(rest, o.weight_decay)
    groups.append({"params": [*network.head.parameters(), sharpness], "weight_decay": 0.0, "pace": o.head_rate})
    return torch.optim.AdamW(groups, lr=o.rate, betas=(0.9, 0.98))
