"""What a visible piece of skin knows about itself, and what a kind's painter says of it in return."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clay.body import Body
from clay.noise import smooth
from clay.parts import Local
from clay.skin import SOFT, carry, pulls

CRISP = 0.004


@dataclass(frozen=True)
class Surface:
    """Points (3, n) on a body's skin with its normals there, and the kind's template body."""

    body: Body
    template: Body
    points: Tensor
    normals: Tensor

    @cached_property
    def rest(self) -> Tensor:
        """Where the same places lie on the template, (3, n): patterns drawn there follow limbs and proportions."""
        return carry(self.body, self.template, self.points, pulls(self.body, self.points, SOFT))

    @cached_property
    def _shares(self) -> Tensor:
        return pulls(self.body, self.points, CRISP, reaching=False)

    def of(self, *names: str) -> Tensor:
        """Shares (n,) in which the points belong to parts of these names, on either side."""
        rows = [i for name, i in self.body.index.items() if any(name == n or name.endswith(f"_{n}") for n in names)]
        return self._shares[rows].sum(0)

    def local(self, name: str) -> Local:
        """The points in one part's coordinates."""
        return self.body.blob(name).local(self.points)


@dataclass(frozen=True)
class Material:
    """How points answer light.

    Attributes:
        colour: (3, n) linear.
        gloss: (n,) strength of the sharp highlight.
        mirror: (n,) share of the surroundings reflected head-on; more at grazing angles where gloss is on.
        fuzz: (n,) how much light clings to the outline, as in felt.
        dents: (n,) how uneven the surface is.
    """

    colour: Tensor
    gloss: Tensor
    mirror: Tensor
    fuzz: Tensor
    dents: Tensor


def coloured(colour: tuple[float, float, float], like: Tensor) -> Tensor:
    """One colour for points (3, n)."""
    return torch.tensor(colour)[:, None].expand(-1, like.shape[1]).clone()


def over(base: Tensor, colour: tuple[float, float, float] | Tensor, share: Tensor | float) -> Tensor:
    """Lays a colour over colours (3, n) by share (n,)."""
    top = torch.tensor(colour)[:, None] if isinstance(colour, tuple) else colour
    return base + (top - base) * share


def dented(normals: Tensor, places: Tensor, amount: Tensor) -> Tensor:
    """Normals (3, n) made uneven as by thumbs, by noise at places (3, n)."""
    push = torch.stack([smooth(places * 7.0 + 11.0 * i) + 0.5 * smooth(places * 17.0 + 5.0 * i) for i in range(3)])
    bent = normals + amount * (push - normals * (push * normals).sum(0))
    return bent / bent.square().sum(0).sqrt()
