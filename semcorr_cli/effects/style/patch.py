"""Texture by patches of the style, found near the place that the correspondence names.

    colours by `color` ─► 128 px ─► 256 px ─► 512 px ─► full size
                          at each: search near by ⇄ bidirectional vote, a few rounds

After Deep Image Analogy (Liao et al. 2017) and bidirectional similarity (Simakov et al. 2008); the style is drawn in
the content's layout first, so that the search is a window of shifts rather than a random walk.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.style import color, render, search
from semcorr_cli.effects.style.moments import blurred
from semcorr_cli.effects.style.options import Preview, Reach, Styled, StyleOptions
from semcorr_cli.effects.style.tones import Tones


@dataclass(frozen=True, slots=True)
class Level:
    """One size at which patches are found.

    Attributes:
        side: longer side in pixels.
        rounds: searches, each followed by a vote.
        radius: of the search, in pixels.
    """

    side: int
    rounds: int
    radius: int


LEVELS = (Level(128, 4, 8), Level(256, 3, 8), Level(512, 2, 6))

GUIDANCE = 0.35
"""Share of the recoloured content in what is searched for where matches are trusted; all of it where they are not."""

COMPLETENESS = 0.5
"""Weight of the votes of the style's patches."""

STAY = 8.0
"""What a shift to the window's rim costs, in Lab units squared."""

DETAIL = 0.6
"""Share of the content's lightness detail that is added back where the patches have nothing like it."""

LIKENESS_WINDOW = 4.0
"""Standard deviation of the window over which both details are compared, in pixels of the last level."""

AGREEMENT_RADIUS = 20
"""Radius in the same pixels of the square over which colours are: coarser than a texture, finer than an object."""

DISAGREEMENT = 15.0
"""Distance in ΔE, over that square, of the patches from the recoloured content at which they count half."""

DETAIL_WINDOW = 2.0
"""Standard deviation of the blur that parts detail from the rest, in pixels of the last level."""

TEXTURE_WINDOW = 4.0
"""The same for the patches' texture, which is all that is taken of them where matches are not trusted."""


def restyle(
    content: Image,
    style: Image,
    field: Correspondence,
    options: StyleOptions,
    *,
    features: FeatureMap | None = None,
    mask: Float[Tensor, "1 h w"] | None = None,
    preview: Preview | None = None,
) -> Styled:
    """Returns the content painted with the style's patches, at the content's full size.

    Args:
        content: the picture that is repainted.
        style: the picture whose patches are taken.
        field: correspondence from content (source) to style (target).
        options: how.
        features: see `color.restyle`, which prepares the colours.
        mask: 1 where the content may change, 0 where not; None for everywhere.
        preview: told after every round.
    """
    start = color.restyle(
        content, style, field, replace(options, strength=1.0, luma="match"), features=features, mask=mask
    )
    # Without matches worth following, the pictures are laid over each other as they are.
    path = Warp.identity(style.hw, content.hw) if start.reach is Reach.GLOBAL else field.forward
    path = path.to(content.rgb.device)
    reader = resample.Reader(style.over(1.0), mode="bilinear", beyond="reflection")
    total, done = sum(level.rounds for level in LEVELS), 0
    so_far: Float[Tensor, "3 h w"] | None = None
    for level in LEVELS:
        size = _size(content.hw, level.side)
        wanted = rgb_to_lab(_resized(start.image.rgb, size))
        there = rgb_to_lab(_drawn(reader, path.resized(style.hw, size)))
        guidance = 1 - (1 - GUIDANCE) * render.trusted(path.resized(style.hw, size))
        so_far = wanted if so_far is None else _resized(so_far, size)
        for _ in range(level.rounds):
            found = search.nearest(torch.lerp(so_far, wanted, guidance), there, level.radius, STAY)
            so_far = search.voted(there, found, COMPLETENESS)
            done += 1
            if preview is not None:
                preview(done, total, partial(_seen, so_far))
    assert so_far is not None
    patched = _Patched(_drawn(reader, path), found.there, so_far)
    image, gamut_share = _finished(content, style, start, patched, wanted, path, options)
    return replace(start, image=image, gamut_share=gamut_share)


@dataclass(frozen=True, slots=True, eq=False)
class _Patched:
    """What the last level found: the style in the content's layout, at full size; shifts in it; the small result."""

    aligned: Float[Tensor, "3 h w"]
    shifts: Int[Tensor, "2 g g2"]
    small: Float[Tensor, "3 g g2"]


def _finished(
    content: Image,
    style: Image,
    start: Styled,
    found: _Patched,
    wanted: Float[Tensor, "3 g g2"],
    path: Warp,
    options: StyleOptions,
) -> tuple[Image, float]:
    """Lays the patches over the recoloured content where they are trusted, and their texture over the rest.

    What detail and votes take from the style's distribution of colours, part by part, tone curves give back.
    """
    size: Hw = (found.small.shape[1], found.small.shape[2])
    painted_base = render.Enlarged(blurred(found.small, TEXTURE_WINDOW), content.hw)
    lightness = rgb_to_lab(_resized(content.rgb, size))[:1]
    smooth = blurred(lightness, DETAIL_WINDOW)
    lightness_base = render.Enlarged(smooth, content.hw)
    trust = render.trusted(path.resized(path.source_hw, size)) * _agreement(found.small, wanted)
    lacking = DETAIL * _lacking(lightness - smooth, found.small[:1] - blurred(found.small[:1], DETAIL_WINDOW))
    shares = render.Enlarged(torch.cat([trust, lacking * trust]), content.hw)
    made = torch.lerp(wanted + found.small - blurred(found.small, TEXTURE_WINDOW), found.small, trust)
    made[:1] += lacking * trust * (lightness - smooth)
    here, there = (resample.shrink(image, max(size)) for image in (content, style))
    tones = None if start.reach is Reach.GLOBAL else Tones.between(here, _resized(made, here.hw), there, start.parts)
    curves = None if tones is None else render.Enlarged(tones.planes, content.hw)
    result = torch.empty_like(content.rgb)
    clipped = 0.0
    for rows in render.strips(content.hw):
        original = content.rgb[:, rows]
        trusted, added = shares.rows(rows).split(1)
        painted = rgb_to_lab(search.enlarged(found.aligned, found.shifts, rows.start, rows.stop))
        retained = rgb_to_lab(original)[:1]
        plain = rgb_to_lab(start.image.rgb[:, rows]) + painted - painted_base.rows(rows)
        lab = torch.lerp(plain, painted, trusted)
        lab[:1] += added * (retained - lightness_base.rows(rows))
        if tones is not None and curves is not None:
            lab += tones.added(curves.rows(rows), lab)
        if options.luma == "keep":
            lab[:1] = retained
        rgb, outside = render.fitted(lab_to_rgb(lab, clip=False))
        clipped += float(outside.sum())
        share = torch.ones_like(rgb[:1]) if start.changed is None else start.changed[:, rows]
        result[:, rows] = torch.lerp(original, rgb, options.strength * share)
    return Image(result, content.alpha, depth=content.depth), clipped / (content.hw[0] * content.hw[1])


def _agreement(painted: Float[Tensor, "3 g g2"], wanted: Float[Tensor, "3 g g2"]) -> Float[Tensor, "1 g g2"]:
    """Returns how far the patches' colours are those of the recoloured content: not so where the map is wrong.

    There they would show the style's outlines beside the content's.
    """
    side = 2 * AGREEMENT_RADIUS + 1
    apart = functional.avg_pool2d(painted - wanted, side, 1, AGREEMENT_RADIUS, count_include_pad=False)
    apart = apart.norm(dim=0, keepdim=True)
    agreement: Tensor = torch.exp2(-(apart / DISAGREEMENT).square())
    return agreement


def _lacking(detail: Float[Tensor, "1 g g2"], painted: Float[Tensor, "1 g g2"]) -> Float[Tensor, "1 g g2"]:
    """Returns how unlike the patches' detail is to the content's: 0 where it is there already, 1 where nothing is."""
    both, own, theirs = blurred(
        torch.cat([detail * painted, detail.square(), painted.square()]), LIKENESS_WINDOW
    ).split(1)
    lacking: Tensor = 1 - (both / (own * theirs).clamp_min(1e-6).sqrt()).clamp(0, 1)
    return lacking


def _drawn(reader: resample.Reader, path: Warp) -> Float[Tensor, "3 h w"]:
    planes = torch.empty(3, *path.target_hw, device=path.nodes.device)
    for rows, strip in reader.strips(path):
        planes[:, rows] = strip
    return planes


def _seen(lab: Float[Tensor, "3 h w"]) -> Image:
    return Image(lab_to_rgb(lab))


def _size(hw: Hw, side: int) -> Hw:
    scale = min(1.0, side / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def _resized(planes: Float[Tensor, "c h w"], size: Hw) -> Float[Tensor, "c h2 w2"]:
    if planes.shape[1] > size[0]:
        return functional.interpolate(planes[None], size=size, mode="area")[0]
    return functional.interpolate(planes[None], size=size, mode="bilinear", align_corners=False)[0]
