"""A pinhole camera that frames its subject by itself."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clay.params import span


@dataclass(frozen=True)
class View:
    """Where the camera stands around the subject, and how much of the picture the subject fills.

    Attributes:
        azimuth: Degrees around the subject; 0 looks into its face, 90 at its left side.
        elevation: Degrees above the horizon.
        distance: In units of the subject's own size.
        fill: Share of the picture's width or height (whichever binds) that the subject takes.
        shift: Where the subject's box has its middle, in shares of the picture from its centre, x then y (down).
        roll: Degrees.
    """

    azimuth: float = span(0.0, 20.0)
    elevation: float = span(8.0, (3.0, 16.0))
    distance: float = span(4.5, (3.2, 6.0))
    fill: float = span(0.78, (0.62, 0.86))
    shift: tuple[float, float] = span((0.0, 0.02), 0.03)
    roll: float = span(0.0, 2.5)


@dataclass(frozen=True)
class Camera:
    """A placed camera for one picture size.

    Attributes:
        origin: (3, 1).
        axes: (3, 3), columns are right, up and back in the world.
        focal: Pixels.
        centre: Principal point, pixels from the top-left corner.
        hw: The picture's height and width.
    """

    origin: Tensor
    axes: Tensor
    focal: float
    centre: tuple[float, float]
    hw: tuple[int, int]

    def rays(self, xy: Tensor) -> Tensor:
        """Unit rays (3, n) through picture places (2, n), corner-origin pixels."""
        x = (xy[0] - self.centre[0]) / self.focal
        y = (xy[1] - self.centre[1]) / self.focal
        ahead = self.axes @ torch.stack((x, -y, -torch.ones_like(x)))
        return ahead / ahead.square().sum(0).sqrt()

    def project(self, points: Tensor) -> Tensor:
        """Picture places (2, n) of points (3, n)."""
        seen = self.axes.T @ (points - self.origin)
        x = self.centre[0] - self.focal * seen[0] / seen[2]
        y = self.centre[1] + self.focal * seen[1] / seen[2]
        return torch.stack((x, y))

    def pixels(self, per_side: int = 1) -> Tensor:
        """Sample places (2, h·w·per_side²): for each pixel in reading order, its samples in reading order."""
        h, w = self.hw
        inside = (torch.arange(per_side) + 0.5) / per_side
        y = (torch.arange(h)[:, None, None, None] + inside[:, None]).expand(h, w, per_side, per_side)
        x = (torch.arange(w)[None, :, None, None] + inside).expand(h, w, per_side, per_side)
        return torch.stack((x.reshape(-1), y.reshape(-1)))


def place(view: View, hw: tuple[int, int], points: Tensor) -> Camera:
    """Places a camera so that points (3, n) fill the share of the picture that the view asks for."""
    low, high = points.amin(1), points.amax(1)
    middle = (0.5 * (low + high))[:, None]
    size = float((high - low).max())
    a, e, r = np.radians([view.azimuth, view.elevation, view.roll])
    back = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    right, up = np.cos(r) * right + np.sin(r) * up, np.cos(r) * up - np.sin(r) * right
    axes = torch.tensor(np.stack((right, up, back), 1), dtype=torch.float32)
    origin = middle + view.distance * size * axes[:, 2:]

    unit = Camera(origin, axes, 1.0, (0.0, 0.0), hw).project(points)
    left, top = (float(v) for v in unit.amin(1))
    right_, bottom = (float(v) for v in unit.amax(1))
    h, w = hw
    focal = view.fill * min(w / (right_ - left), h / (bottom - top))
    return Camera(
        origin,
        axes,
        focal,
        (
            w * (0.5 + view.shift[0]) - focal * 0.5 * (left + right_),
            h * (0.5 + view.shift[1]) - focal * 0.5 * (top + bottom),
        ),
        hw,
    )
