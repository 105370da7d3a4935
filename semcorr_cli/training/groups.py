"""Which pictures are looked at together in a step: groups of four views whose pairs share one pass of the network."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from semcorr_cli.training.pictures import Pictures
from semcorr_cli.training.teacher import Teacher

VIEWS = 4
"""Views in a group: two of its first picture, and two of others."""


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How groups are drawn.

    Attributes:
        count: groups in a step.
        balance: power of a category's size that its chance is proportional to.
        stray: chance that the last picture is one of another category that looks alike, once there is a teacher.
        rendered: weight of a rendered kind beside the mean category.
        loose: weight of another loose category beside the mean category.
    """

    count: int = 8
    balance: float = 0.35
    stray: float = 0.3
    rendered: float = 3.0
    loose: float = 2.0


def pairs(group: Tensor) -> tuple[Tensor, Tensor]:
    """Returns all ordered pairs of different views of one group, given every view's group."""
    first, second = ((group[:, None] == group) & ~torch.eye(len(group), dtype=torch.bool)).nonzero(as_tuple=True)
    return first, second


def third(index: Tensor, group: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Returns the picture of a group of views that is neither of two; one of the two where there are not three.

    Args:
        index: (v,) pictures of all views, group by group.
        group: (p,) groups.
        a: (p,) views of one picture of each.
        b: (p,) views of another.
    """
    everyone = index.view(-1, VIEWS)[:, 1:].sum(1)
    return everyone[group] - index[a] - index[b]


class Groups:
    """Draws groups."""

    def __init__(self, pictures: Pictures, o: GroupOptions) -> None:
        self.pictures, self.options = pictures, o
        self.members = pictures.members()
        self.rendered = {
            c for c, m in enumerate(self.members) if pictures.exact is not None and int(pictures.exact.row[m[0]]) >= 0
        }
        weight = torch.tensor([float(len(m)) for m in self.members]).pow(o.balance)
        weight /= weight.mean()
        for c in pictures.loose:
            weight[c] = o.rendered if c in self.rendered else o.loose
        self.weight = weight

    def draw(self, teacher: Teacher | None, g: Generator) -> Tensor:
        """Returns numbers of pictures (count * VIEWS,)."""
        several = self.options.count <= len(self.members)
        categories = torch.multinomial(self.weight, self.options.count, replacement=not several, generator=g)
        return torch.cat([self._group(c, teacher, g) for c in categories.tolist()])

    def _group(self, c: int, teacher: Teacher | None, g: Generator) -> Tensor:
        members = self.members[c]
        a, b, other = members[torch.randint(len(members), (3,), generator=g)]
        chance, which = float(torch.rand(1, generator=g)), int(torch.randint(1 << 30, (1,), generator=g))
        near = None if teacher is None else teacher.neighbours[a]
        exact = self.pictures.exact
        if c in self.rendered and exact is not None:
            b = exact.partner[exact.row[a]]
            if int(b) < 0:
                b = a
        elif c in self.pictures.loose:
            # Nothing says that two of these are alike, so look at each twice.
            b = near[which % len(near)] if near is not None and chance < 0.5 else b
            other = b
        elif near is not None and chance < self.options.stray:
            other = near[which % len(near)]
        return torch.stack([a, a, b, other])
