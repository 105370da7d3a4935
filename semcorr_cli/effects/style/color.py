"""Colour by matched moments: every place takes the local mean and contrast of its counterpart.

    statistics of both ─► local moments through the matches ─┐
                       └► moments of corresponding parts ────┴► blend by how dense the matches are
                              ─► contrast evened out until the content's structure is kept
                              ─► tone curves of corresponding parts, as far as it bears them ─► full size

Follows Progressive Color Transfer (He et al. 2019) in matching local Lab means and spreads; matches are weighted by
their cycle consistency, and places without any fall back to their part.
"""

import torch
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor

from semcorr_cli.core import coords, resample
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Verdict
from semcorr_cli.effects.style import parts as regions
from semcorr_cli.effects.style import render, structure
from semcorr_cli.effects.style.affine import Affine
from semcorr_cli.effects.style.moments import Statistics, blurred
from semcorr_cli.effects.style.options import Reach, Styled, StyleOptions
from semcorr_cli.effects.style.parts import Parts
from semcorr_cli.effects.style.tones import Tones

WINDOW = 2.0
"""Standard deviation in cells of the window over which local moments are gathered."""

ALIKE = 25.0
"""Standard deviation in ΔE of the same window: an object and what is behind it do not share statistics."""

CHUNK = 512
"""Cells whose windows are laid at once: a few megabytes."""

ENOUGH = 0.1
"""Matches a cell at which a place listens to its own matches and to its part alike."""

SEAM = 1.0
"""Standard deviation in cells over which neighbouring parts flow into each other."""

HOPELESS = 0.05
"""Estimated probability of a sound correspondence below which not even parts are followed."""


def restyle(
    content: Image,
    style: Image,
    field: Correspondence,
    options: StyleOptions,
    *,
    features: FeatureMap | None = None,
    mask: Float[Tensor, "1 h w"] | None = None,
) -> Styled:
    """Returns the content in the colours of the style's corresponding regions, at the content's full size.

    Args:
        content: the picture that is recoloured.
        style: the picture whose colours are taken.
        field: correspondence from content (source) to style (target).
        options: how.
        features: the content's descriptors, by which it is divided into parts; None divides by colour and position.
        mask: 1 where the content may change, 0 where not; None for everywhere.
    """
    reach = options.reach or reach_of(field)
    here, there = Statistics.of(content), Statistics.of(style)
    divided = regions.find(here, there, field.matches, features, options.seed)
    whole = Affine.between(_total(here), _total(there), options.stats)
    share = here.planes.new_zeros(here.hw)
    if reach == Reach.GLOBAL:
        maps = Affine.of(whole.planes()[:, None].expand(-1, *here.hw))
    else:
        maps = _by_part(here, there, divided, whole, options.stats)
        if reach == Reach.LOCAL:
            near, share = _local(here, there, field.matches, options.stats)
            maps = maps.towards(near, share)
    if reach != Reach.GLOBAL and options.luma == "match":
        maps = structure.kept(content, here, maps)
    tones = None if reach == Reach.GLOBAL else _toned(content, style, maps, divided, options)
    maps = maps.eased(options.strength, keep_luma=options.luma == "keep")
    changed = render.changeable(content, options, mask)
    image, gamut_share = render.recoloured(content, maps, changed, snap=options.edge_snap, tones=tones)
    return Styled(image, reach, float(share.mean()), divided, gamut_share, changed)


def _toned(content: Image, style: Image, maps: Affine, divided: Parts, options: StyleOptions) -> Tones:
    """Returns the curves that bring what the maps make nearer to the style, as far as structure allows."""
    small = resample.shrink(content, structure.SIDE)
    plain = render.mapped(small, maps, snap=options.edge_snap)
    tones = Tones.between(small, plain, resample.shrink(style, structure.SIDE), divided)
    if options.luma == "keep":
        return tones.eased(0.0, options.strength)
    curves = render.Enlarged(tones.planes, small.hw).rows(slice(0, small.hw[0]))
    added = tones.added(curves, plain)[0]
    share = structure.share_kept(rgb_to_lab(small.rgb)[0], plain[0], added)
    return tones.eased(share * options.strength, options.strength)


def reach_of(field: Correspondence) -> Reach:
    """Returns how far a field's matches deserve to be followed.

    Its calibrated probability decides, not its cycle rate: matches of aligned pictures lead back to their start even
    where the pictures show different things.
    """
    quality = field.quality
    if quality.signs.matches == 0 or quality.probability < HOPELESS:
        return Reach.GLOBAL
    return Reach.PARTS if quality.verdict is Verdict.POOR else Reach.LOCAL


def _total(statistics: Statistics) -> Float[Tensor, "10 1"]:
    return statistics.summed(torch.ones_like(statistics.visible)[None])


def _local(here: Statistics, there: Statistics, matches: Matches, stats: str) -> tuple[Affine, Float[Tensor, "h w"]]:
    """Returns the maps of local moments, and how far they are to be trusted.

    Both pictures' moments are read alike and gathered under the same window with the same weights, so that a picture in
    its own style is left alone.
    """
    score = matches.score.to(here.planes)
    cell = here.cell_of(matches.source)
    own = here.at(matches.source)
    seen = torch.cat([torch.ones_like(own[:1]), own, there.at(matches.target)]) * score
    sums = here.planes.new_zeros(seen.shape[0], here.hw[0] * here.hw[1]).index_add_(1, cell, seen)
    sums = _windowed(sums, here).reshape(-1, *here.hw)
    density, start, end = sums[0], sums[1:11], sums[11:]
    share = density / (density + ENOUGH)
    # Where all that is matched is transparent there are no colours to speak of.
    share = torch.where((start[0] > 1e-4 * density) & (end[0] > 1e-4 * density), share, 0.0)
    return Affine.between(start, end, stats), share


def _windowed(sums: Float[Tensor, "c n"], here: Statistics) -> Float[Tensor, "c n"]:
    """Returns every cell's neighbourhood: the sums of the cells that are near and of a similar colour."""
    x, y = coords.pixel_centres(here.hw, device=sums.device).reshape(-1, 2).T / WINDOW
    place = torch.stack([x, y], dim=1)
    look = torch.cat([place, here.lab.flatten(1).T / ALIKE], dim=1)
    parts = []
    for near, alike in zip(place.split(CHUNK), look.split(CHUNK), strict=True):
        window = torch.exp(-0.5 * torch.cdist(alike, look).square())
        whole = torch.exp(-0.5 * torch.cdist(near, place).square()).sum(dim=1)
        parts.append(window @ sums.T / whole[:, None])
    return torch.cat(parts).T


def _by_part(here: Statistics, there: Statistics, divided: Parts, whole: Affine, stats: str) -> Affine:
    """Returns the maps of the parts, laid out on the content's grid, without seams."""
    start, end = here.summed(divided.source_weights()), there.summed(divided.target_weights())
    maps = Affine.between(start, end, stats).planes()
    usable = torch.minimum(start[0], end[0]) >= regions.SMALLEST / 2
    maps = torch.where(usable, maps, whole.planes())
    return Affine.of(blurred(maps[:, divided.source], SEAM))
