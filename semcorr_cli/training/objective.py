"""The dense contrastive loss between views whose cells know where in a picture they look."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from semcorr_cli.training.views import Views


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Weights and widths of the loss.

    Attributes:
        queries: cells of a view that are asked about.
        negatives: cells of other groups that every query is told from.
        negative_weight: how much they count, as a share of one view's cells.
        centre: spread of the prior of queries, in pictures: what is alike stands in the middle.
        same_weight: weight of pairs of views of one picture.
        classes: weight of the classification loss.
        blur: spread of every target, in cells, on top of its own.
    """

    queries: int = 96
    negatives: int = 384
    negative_weight: float = 0.3
    centre: float = 0.4
    same_weight: float = 0.5
    classes: float = 0.3
    blur: float = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is known about pairs of views.

    Attributes:
        a: (p,) views asked.
        b: (p,) views answering.
        xy: (p, m, 2) where in b's picture the queries of a have their counterparts.
        sigma: (p,) how well that is known, in longer sides of b's picture.
        trust: (p, m) weight.
    """

    a: Tensor
    b: Tensor
    xy: Tensor
    sigma: Tensor
    trust: Tensor


def draw_queries(views: Views, o: LossOptions, g: Generator) -> Tensor:
    """Draws cells (v, m) without repetition, those near pictures' middles rather (Efraimidis & Spirakis 2006)."""
    weight = torch.exp(-(views.at - 0.5).square().sum(2) / (2 * o.centre**2)).clamp(min=1e-3)
    key = torch.rand(weight.shape, generator=g).clamp(min=1e-6).log() / weight
    return key.masked_fill(~views.valid, -1e9).topk(min(o.queries, key.shape[1]), 1).indices


def rows(x: Tensor, cells: Tensor) -> Tensor:
    """Gathers cells (v, m) of maps (v, n, c)."""
    return x.gather(1, cells[..., None].expand(-1, -1, x.shape[-1]))


def negatives(features: Tensor, queries: Tensor, group: Tensor, scale: Tensor, o: LossOptions, g: Generator) -> Tensor:
    """Returns the weighted log-sum-exp of similarities of queries to cells of views of other groups, (v, m)."""
    v, n, c = features.shape
    view = torch.randint(v, (o.negatives,), generator=g)
    pool = features[view, torch.randint(n, (o.negatives,), generator=g)]
    logits = (rows(features, queries).reshape(-1, c) @ pool.T).view(v, -1, o.negatives).float() * scale
    logits = logits.masked_fill((group[:, None] == group[view])[:, None], -1e4)
    return torch.logsumexp(logits, 2) + torch.log(torch.tensor(o.negative_weight * n / o.negatives))


def dense(
    features: Tensor,
    views: Views,
    queries: Tensor,
    t: Targets,
    aspect: Tensor,
    scale: Tensor,
    other: Tensor,
    o: LossOptions,
) -> tuple[Tensor, Tensor]:
    """Returns the cross-entropy (p, m) between where queries find themselves and where they should, and its weight.

    InfoNCE (van den Oord et al. 2018) over all cells of the other view, backgrounds included, and cells of other
    pictures; the positives are a Gaussian about the place known.

    Args:
        features: (v, n, c) unit descriptors.
        views: their views.
        queries: (v, m) cells asked.
        t: what is known.
        aspect: (v, 2) sizes of pictures over their longer sides.
        scale: inverse temperature.
        other: (v, m) `negatives` of the queries.
        o: weights.
    """
    logits = torch.bmm(rows(features[t.a], queries[t.a]), features[t.b].transpose(1, 2)).float() * scale
    size = aspect[t.b][:, None]
    d = torch.cdist(t.xy * size, views.at[t.b] * size).square().masked_fill(~views.valid[t.b][:, None], 1e4)
    s2 = (t.sigma.square() + (o.blur * views.cell[t.b]).square()).view(-1, 1, 1)
    near = d.amin(2) < 1.5 * s2[..., 0]
    target = torch.softmax(-d / (2 * s2), 2)
    z = torch.logaddexp(torch.logsumexp(logits, 2), other[t.a])
    weight = (views.valid[t.a].gather(1, queries[t.a]) & near).float() * t.trust
    return z - (target * logits).sum(2), weight
