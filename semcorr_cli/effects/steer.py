"""A warp steered by hand: points that must meet exactly, and the matches, if any, everywhere else."""

import torch

from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.controls import Controls
from semcorr_cli.effects.placement import Placement
from semcorr_cli.effects.shape import Misfit, Shape


def steered(field: Correspondence | None, by_hand: Matches) -> tuple[Warp, Misfit]:
    """Returns the map that meets points set by hand, and how far it does.

    It is the end of a morph: the same points mean the same thing to `warp` and to `morph`.

    Args:
        field: what the matches say where no point is set; None where points are all there is. What lies far from
            all points then stays where it is.
        by_hand: pairs of points of the source and the target.
    """
    mirrored = turns_over(by_hand) if field is None else field.pose.mirrored
    if mirrored:  # shapes do not turn over: the source is mirrored before, and the map after
        by_hand, field = by_hand.mirrored_source(), None if field is None else field.source_mirrored()
    source_hw, target_hw = by_hand.source_hw, by_hand.target_hw
    places = Placement.of(source_hw, target_hw, "stretch"), Placement.of(target_hw, target_hw, "stretch")
    controls = Controls.of(field, by_hand, places, target_hw, held=field is None)
    shape = Shape(controls, places, (source_hw, target_hw), target_hw, "straight", len(by_hand))
    warp = shape.maps(1.0)[0]
    if field is not None:
        warp = _trusted(warp, field.warp, by_hand)
    return warp.source_mirrored() if mirrored else warp, shape.misfit()


def turns_over(pairs: Matches) -> bool:
    """Tells whether pairs of points are those of a mirrored picture."""
    source, target = (points.double() - points.double().mean(dim=0) for points in (pairs.source, pairs.target))
    return len(pairs) >= 3 and float(torch.linalg.det(target.T @ source)) < 0


def _trusted(warp: Warp, field: Warp, by_hand: Matches) -> Warp:
    """Returns the map with the field's confidence, and full confidence round the points."""
    reach = 0.1 * max(field.target_hw)
    return warp.with_confidence(
        lambda xy: torch.maximum(
            field.confidence_at(xy), (2 - torch.cdist(xy, by_hand.target).amin(dim=1) / reach).clamp(0, 1)
        )
    )
