"""Self-training: the averaged network matches whole pictures, and smooth fits of its matches become sharper targets.

The alignment of alike pictures by position is wrong by a tenth of a picture or more. What the network has learnt from
it on average is better than any one target was; robust smooth fits of its own matches are better still, and train the
next one. Where a third picture is looked at too, the way through it is a second witness: what both ways agree on counts
for more (cycle consistency; Zhou et al., "FlowWeb", 2015).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from semcorr_cli.extractors.network import STRIDE, DescriptorNet
from semcorr_cli.training.fitting import Fit, FitOptions, Spline, fit, match
from semcorr_cli.training.pictures import Pictures

NEIGHBOURS = 12
"""Pictures of other categories kept as the most alike to each."""

CHUNK = 32
"""Pictures or pairs worked on at once."""

AGREED = 0.06
"""Distance between the ends of the two ways, in pictures, at which a place has lost e^-½ of its trust."""


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """What the teacher knows about pairs of pictures.

    Attributes:
        xy: (p, m, 2) where the queries lie in the other picture.
        trust: (p, m) how many of the matches around agree with the fit, in [0, 1].
        level: (p,) 1 for a good fit, 0.5 for a fair one, 0 for none (`xy` is then the same relative position).
    """

    xy: Tensor
    trust: Tensor
    level: Tensor


class Teacher:
    """Descriptors of every whole picture by one network, and fits between any two on demand."""

    def __init__(self, network: DescriptorNet, pictures: Pictures, o: FitOptions) -> None:
        self.options = o
        self.spline = Spline(o.control)
        self.cells = pictures.side // STRIDE
        self.at, self.inside = _lattice(pictures.hw, self.cells)
        self.features, pooled = _describe_all(network, pictures)
        self.neighbours = _neighbours(pooled, pictures.category, pictures.loose)

    def fits(self, a: Tensor, b: Tensor) -> Fit:
        """Fits from pictures a to pictures b."""
        o, parts = self.options, []
        for i in range(0, len(a), CHUNK):
            s, t = a[i : i + CHUNK], b[i : i + CHUNK]
            inside = self.inside[s]
            xy, cycle = match(self.features[s], self.features[t], inside, self.inside[t], self.at[t], self.cells)
            weight = torch.exp(-0.5 * (cycle / o.cycle).square()) * inside
            f = fit(self.spline, self.at[s], xy, weight, o)
            enough = f.weight.sum(1) / inside.sum(1) > o.support
            parts.append(Fit(f.coefficients, f.weight, f.rate, f.good & enough))
        return Fit(*(torch.cat([getattr(f, key) for f in parts]) for key in ("coefficients", "weight", "rate", "good")))

    @torch.no_grad()
    def map(self, a: Tensor, b: Tensor, xy: Tensor, third: Tensor | None = None) -> Mapped:
        """Carries positions xy (p, m, 2) in pictures a (p,) to pictures b (p,).

        Args:
            a: where they lie.
            b: where they are carried.
            xy: relative positions.
            third: (p,) pictures through which they are carried too, where fits to and from these are good; no picture
                is its own witness.
        """
        links = [torch.stack([a, b], 1)]
        if third is not None:
            links += [torch.stack([a, third], 1), torch.stack([third, b], 1)]
        pairs, numbers = torch.unique(torch.cat(links), dim=0, return_inverse=True)
        f = self.fits(pairs[:, 0], pairs[:, 1])
        which, *ways = numbers.split(len(a))
        level = torch.where(f.good[which], 1.0, torch.where(f.rate[which] > self.options.fair, 0.5, 0.0))
        straight = Mapped(self._carried(f, which, xy), self._inliers(f, which, pairs[which, 0], xy), level)
        if third is not None:
            there, on = ways
            detour = self._carried(f, on, self._carried(f, there, xy))
            heard = f.good[there] & f.good[on] & (third != a) & (third != b)
            straight = _witnessed(straight, detour, heard)
        fitted = (straight.level > 0)[:, None]
        carried = torch.where(fitted[..., None], straight.xy, xy)
        return Mapped(carried, torch.where(fitted, straight.trust, 1.0), straight.level)

    def _carried(self, f: Fit, which: Tensor, xy: Tensor) -> Tensor:
        """Carries positions (p, m, 2) by some of the fits."""
        return (self.spline.basis(xy) @ f.coefficients[which]).float()

    def _inliers(self, f: Fit, which: Tensor, source: Tensor, xy: Tensor) -> Tensor:
        """Returns the share of inliers among the matches around positions: it says whether the fit holds there."""
        kernel = torch.exp(-torch.cdist(xy, self.at[source]).square() / (2 * 0.05**2)) * self.inside[source][:, None]
        local = (kernel @ f.weight[which][..., None].float())[..., 0] / kernel.sum(2).clamp(min=1e-3)
        return (local / 0.4).clamp(0.02, 1)


def _witnessed(straight: Mapped, detour: Tensor, heard: Tensor) -> Mapped:
    """Returns what is known of pairs by the straight way once the other one, where it is heard (p,), is asked too.

    Places are the means of the two ways as far as these agree, and trusted as far. Where the straight way is lost, the
    detour is all there is; it is a fair one.
    """
    agreed = torch.exp(-(straight.xy - detour).square().sum(2) / (2 * AGREED**2))
    lost = heard & (straight.level == 0)
    both = heard & ~lost
    xy = torch.where(both[:, None, None], torch.lerp(straight.xy, detour, agreed[..., None] / 2), straight.xy)
    trust = torch.where(both[:, None], straight.trust * agreed.clamp(min=0.02), straight.trust)
    return Mapped(
        torch.where(lost[:, None, None], detour, xy),
        torch.where(lost[:, None], 1.0, trust),
        torch.where(lost, 0.5, straight.level),
    )


def _lattice(hw: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Returns relative positions of all cells of canvases in their pictures, and whether they are inside."""
    t = (torch.arange(cells) + 0.5) * STRIDE
    y, x = torch.meshgrid(t, t, indexing="ij")
    at = torch.stack([x, y], -1).view(1, -1, 2) / hw.flip(1)[:, None]
    return at, (at <= 1).all(2)


@torch.no_grad()
def _describe_all(network: DescriptorNet, pictures: Pictures) -> tuple[Tensor, Tensor]:
    n, cells = len(pictures.hw), pictures.side // STRIDE
    features = torch.empty(n, cells * cells, network.options.dim, dtype=torch.bfloat16)
    pooled = torch.empty(n, network.options.widths[3])
    for i in range(0, n, CHUNK):
        batch = pictures.fetch(torch.arange(i, min(n, i + CHUNK))).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            f, vector = network(batch)
        features[i : i + CHUNK] = functional.normalize(f.float().flatten(2).transpose(1, 2), dim=2).to(torch.bfloat16)
        pooled[i : i + CHUNK] = vector.float()
    return features, pooled


def _neighbours(pooled: Tensor, category: Tensor, loose: frozenset[int]) -> Tensor:
    """Returns the pictures most alike to each (n, NEIGHBOURS), of other categories unless its own is loose."""
    v = functional.normalize(pooled - pooled.mean(0), dim=1)
    count = min(NEIGHBOURS, len(v) - 1)
    is_loose = torch.tensor([int(c) in loose for c in category.tolist()])
    out = []
    for i in range(0, len(v), 256):
        s = v[i : i + 256] @ v.T
        me = torch.arange(i, min(len(v), i + 256))
        own = (category[me][:, None] == category[None]) & ~is_loose[me][:, None]
        own[torch.arange(len(me)), me] = True
        out.append(s.masked_fill(own, -2.0).topk(count, 1).indices)
    return torch.cat(out)
