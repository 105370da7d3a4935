"""Parts: regions of the content, and the regions of the style that their matches vote for."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.effects.style.moments import Statistics, blurred

COUNT = 8
"""Parts that the content is divided into."""

POSITION = 0.5
"""Weight of the relative position beside unit descriptors."""

COLOUR = 1 / 40
"""Weight of Lab beside the relative position."""

ROUNDS = 20
"""Steps of k-means; it settles long before."""

VOTE_WINDOW = 1.5
"""Standard deviation in cells of the window over which votes are gathered."""

VOICE = 0.3
"""Added to every match's score in the vote: many doubtful voices together still find their part."""

DISCERNMENT = 3
"""Exponent of a cell's share of undivided votes: contested places hardly speak for a part."""

QUORUM = 0.02
"""Votes a cell below which a place of the style belongs to no part."""

SMALLEST = 4
"""Cells, on either side, below which a part has no statistics worth the name and joins the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Corresponding regions; the last part is the rest of both pictures, and may be empty.

    Attributes:
        source: part of every cell of the content's statistics grid.
        target: part of every cell of the style's.
        source_trust: how clearly a content cell and its neighbours are of its part, in [0, 1]; 1 for the rest.
        target_trust: how clearly a style cell's votes went to its part. Both are made alike, so that a picture in its
            own style is left alone.
        count: number of parts, the rest included.
    """

    source: Int[Tensor, "h w"]
    target: Int[Tensor, "h2 w2"]
    source_trust: Float[Tensor, "h w"]
    target_trust: Float[Tensor, "h2 w2"]
    count: int

    def source_weights(self) -> Float[Tensor, "k h w"]:
        """Returns one plane a part: the trust in its cells of the content."""
        return functional.one_hot(self.source, self.count).movedim(-1, 0) * self.source_trust

    def target_weights(self) -> Float[Tensor, "k h2 w2"]:
        """Returns one plane a part: the trust in its cells of the style."""
        return functional.one_hot(self.target, self.count).movedim(-1, 0) * self.target_trust


def find(content: Statistics, style: Statistics, matches: Matches, features: FeatureMap | None, seed: int) -> Parts:
    """Divides the content by k-means and lets its matches vote for the style's regions.

    Votes are splatted, blurred and decided place by place: a hard decision, for mixtures of parts
    drift to the mean of everything. Parts without a counterpart of some size become the rest, which is paired with the
    places of the style that nothing voted for.

    Args:
        content: statistics of the picture that is divided.
        style: statistics of the picture that is voted on.
        matches: from content to style.
        features: the content's descriptors; None divides by colour and position.
        seed: of k-means' start.
    """
    labels = _divided(content, features, seed)
    own = blurred(functional.one_hot(labels, COUNT).movedim(-1, 0).to(content.planes), VOTE_WINDOW)
    votes = style.planes.new_zeros(COUNT, style.hw[0] * style.hw[1])
    part = labels.flatten()[content.cell_of(matches.source)]
    votes.index_put_((part, style.cell_of(matches.target)), matches.score.to(votes) + VOICE, accumulate=True)
    source, source_trust = _decided(own)
    target, target_trust = _decided(blurred(votes.reshape(COUNT, *style.hw), VOTE_WINDOW))
    for index in range(COUNT):
        if min(int((source == index).sum()), int((target == index).sum())) < SMALLEST:
            for labels, trust in ((source, source_trust), (target, target_trust)):
                trust[labels == index] = 1.0
                labels[labels == index] = COUNT
    return Parts(source, target, source_trust, target_trust, COUNT + 1)


def at_pixels(labels: Int[Tensor, "h w"], image: Image) -> Float[Tensor, "h2 w2"]:
    """Returns the part of every pixel of a picture; -1 where it is transparent."""
    spread = functional.interpolate(labels[None, None].float(), size=image.hw, mode="nearest-exact")[0, 0]
    return spread if image.alpha is None else spread.masked_fill(image.alpha[0] < 0.5, -1)


def _decided(votes: Float[Tensor, "k h w"]) -> tuple[Int[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Returns the part with the most votes, place by place, and the trust in it; `COUNT` where hardly any were cast."""
    most, winner = votes.max(dim=0)
    undivided = (most / votes.sum(dim=0).clamp_min(1e-9)) ** DISCERNMENT
    silent = most < QUORUM
    return winner.masked_fill(silent, COUNT), undivided.masked_fill(silent, 1.0)


def _divided(content: Statistics, features: FeatureMap | None, seed: int) -> Int[Tensor, "h w"]:
    h, w = content.hw
    y, x = (torch.linspace(-1, 1, side).to(content.planes) for side in (h, w))
    position = torch.stack(torch.broadcast_tensors(x[None], y[:, None]))
    points = torch.cat([content.lab * COLOUR, position])
    if features is not None:
        data = features.data.to(content.planes)[None]
        seen = functional.interpolate(data, (h, w), mode="bilinear", align_corners=False)[0]
        points = torch.cat([functional.normalize(seen, dim=0), POSITION * points])
    flat = points.flatten(1).T
    return _k_means(flat, torch.Generator().manual_seed(seed)).reshape(h, w)


def _k_means(points: Float[Tensor, "n c"], generator: torch.Generator) -> Int[Tensor, " n"]:
    """Clusters points, starting from centres drawn far apart (k-means++, Arthur & Vassilvitskii 2007)."""
    first = int(torch.randint(points.shape[0], (), generator=generator))
    centres = points[first : first + 1]
    while centres.shape[0] < COUNT:
        # A floor, for a picture of fewer colours than parts has points at no distance only.
        apart = torch.cdist(points, centres).min(dim=1).values.square().cpu() + 1e-9
        chosen = torch.multinomial(apart, 1, generator=generator).to(points.device)
        centres = torch.cat([centres, points[chosen]])
    labels = torch.cdist(points, centres).argmin(dim=1)
    for _ in range(ROUNDS):
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        sizes = torch.bincount(labels, minlength=COUNT)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)
        labels = torch.cdist(points, centres).argmin(dim=1)
    return labels
