"""Light on skin and ground: a soft sun, a sky, light bounced off the ground, a fill, highlights and reflections."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clay.noise import stairs
from clay.params import span
from clay.surface import Material

WARM, COOL = (1.0, 0.86, 0.68), (0.92, 0.97, 1.0)


@dataclass(frozen=True)
class Light:
    """The light of a picture; the sun's azimuth counts from the camera, so that no subject stands in the dark.

    Attributes:
        azimuth: Degrees to the right of the camera.
        elevation: Degrees.
        sun: Strength.
        warmth: 0 for noon, 1 for evening.
        sky: Strength.
        tint: Colour of the sky's light.
        fill: Strength of a light from the other side.
        sharpness: Larger makes crisper shadows.
        exposure: Factor on everything.
    """

    azimuth: float = span(-42.0, (-65.0, 65.0))
    elevation: float = span(48.0, (28.0, 66.0))
    sun: float = span(2.2, (1.5, 2.7))
    warmth: float = span(0.45, (0.1, 0.9))
    sky: float = span(0.6, (0.45, 0.9))
    tint: tuple[float, float, float] = span((0.82, 0.92, 1.08), 0.06)
    fill: float = span(0.18, (0.05, 0.35))
    sharpness: float = span(9.0, (5.0, 20.0))
    exposure: float = span(0.77, (0.62, 0.88))

    def direction(self, axes: Tensor) -> Tensor:
        """Unit direction (3, 1) to the sun for a camera's axes."""
        return self._towards(axes, self.azimuth, self.elevation)

    def opposite(self, axes: Tensor) -> Tensor:
        """Unit direction (3, 1) to the fill."""
        return self._towards(axes, self.azimuth + 120.0 * (-1.0 if self.azimuth > 0.0 else 1.0), 25.0)

    @staticmethod
    def _towards(axes: Tensor, azimuth: float, elevation: float) -> Tensor:
        back, right = axes[:, 2].clone(), axes[:, 0]
        back[1] = 0.0
        back = back / back.norm()
        a, e = np.radians([azimuth, elevation])
        flat = back * float(np.cos(a)) + right * float(np.sin(a))
        return (flat * float(np.cos(e)) + torch.tensor([0.0, float(np.sin(e)), 0.0]))[:, None]

    @property
    def colour(self) -> Tensor:
        warm, cool = torch.tensor(WARM)[:, None], torch.tensor(COOL)[:, None]
        return self.sun * (cool + (warm - cool) * self.warmth)

    def shade(
        self,
        material: Material,
        normals: Tensor,
        rays: Tensor,
        sunlit: Tensor,
        opening: Tensor,
        axes: Tensor,
        ground: Tensor,
    ) -> Tensor:
        """Colours (3, n) of skin as seen along rays.

        Args:
            material: Of every point.
            normals: (3, n).
            rays: (3, n) unit, from the camera.
            sunlit: (n,) share of the sun that gets there.
            opening: (n,) how open the surroundings are.
            axes: The camera's.
            ground: (3, 1) mean colour of the ground, which bounces light up.
        """
        sun, fill = self.direction(axes), self.opposite(axes)
        tint = torch.tensor(self.tint)[:, None]
        facing = (normals * sun).sum(0)
        # Light creeps a little past the terminator, redder there, as it does in clay and fur.
        wrap = torch.tensor([0.18, 0.12, 0.1])[:, None]
        direct = ((facing + wrap) / (1.0 + wrap)).clamp_min(0.0) * sunlit
        up = 0.5 + 0.5 * normals[1]
        ambient = self.sky * opening * (up * tint + (1.0 - up) * (0.15 + 0.75 * ground))
        # Light between pale surfaces in a crevice keeps their colour: dark creases are not grey.
        ambient = ambient * (1.0 + 0.5 * (1.0 - opening) * material.colour)
        extra = self.fill * (0.5 + 0.5 * (normals * fill).sum(0)).square() * opening
        light = self.colour * direct + ambient + extra
        edge = (1.0 + (normals * rays).sum(0)).clamp(0.0, 1.0)
        felt = material.fuzz * edge.pow(3.0) * (0.35 + 0.65 * up) * opening
        colour = material.colour * light + felt * (0.12 + 0.5 * material.colour) * self.sky

        mirrored = rays - 2.0 * normals * (normals * rays).sum(0)
        spark = (mirrored * sun).sum(0).clamp_min(0.0)
        fresnel = (material.mirror + material.gloss * 0.9 * edge.pow(5.0)).clamp_max(0.95)
        seen = self.surroundings(mirrored, axes, ground) * (0.35 + 0.65 * opening)
        shine = material.gloss * (spark.pow(90.0) * 1.6 + spark.pow(18.0) * 0.12) * sunlit
        return colour * (1.0 - fresnel) + fresnel * seen + shine * self.colour

    def surroundings(self, ways: Tensor, axes: Tensor, ground: Tensor) -> Tensor:
        """What a mirror shows (3, n) in directions (3, n): a sky, two soft windows, the ground."""
        tint = torch.tensor(self.tint)[:, None] * self.sky
        rise = ways[1]
        seen = tint * (0.55 + 0.7 * stairs(0.0, 0.9, rise))
        window, other = self.direction(axes), self.opposite(axes)
        seen = seen + 2.2 * stairs(0.86, 0.93, (ways * window).sum(0)) + 0.7 * stairs(0.86, 0.95, (ways * other).sum(0))
        below = ground * (0.45 + 0.25 * self.sky)
        return below + (seen - below) * stairs(-0.06, 0.06, rise)


def developed(colour: Tensor, exposure: float) -> Tensor:
    """Film: linear light (3, n) to sRGB in [0, 1], with a soft shoulder (the fitted curve of K. Narkowicz, 2015)."""
    x = (colour * exposure * 0.72).clamp_min(0.0)
    x = (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)
    return torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x.clamp_min(1e-8) ** (1.0 / 2.4) - 0.055)
