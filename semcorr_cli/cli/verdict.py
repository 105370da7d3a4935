"""What a command says of a correspondence's quality, and whether it goes on."""

from typing import TYPE_CHECKING, Any

from semcorr_cli.cli import output
from semcorr_cli.cli.options import PairOptions
from semcorr_cli.errors import QualityError

if TYPE_CHECKING:
    from semcorr_cli.core.correspondence import Correspondence


def field_as_json(field: "Correspondence") -> dict[str, Any]:
    """Returns quality and pose as the envelope's `result` has them for every verb that matches."""
    quality, signs = field.quality, field.quality.signs
    return {
        "quality": {
            "verdict": quality.verdict.value,
            "probability": round(quality.probability, 4),
            "reasons": list(quality.reasons),
            "cycle_rate": round(signs.cycle_rate, 4),
            "inlier_rate": round(signs.inlier_rate, 4),
            "support": round(signs.support, 4),
            "coverage": round(signs.coverage, 4),
            "fold_share": round(signs.fold_share, 6),
            "matches": signs.matches,
            "agreement": round(signs.agreement, 4),
            "consistency": round(signs.consistency, 4),
            "swapped": round(signs.swapped, 4),
            "kin": round(signs.kin, 4),
            "first_inliers": round(signs.first_inliers, 4),
            "likeness": round(signs.likeness, 4),
            "facing": round(signs.facing, 4),
        },
        "pose": {
            "mirrored": field.pose.mirrored,
            "angle": field.pose.angle,
            "scale": field.pose.scale,
            "shift": list(field.pose.shift),
        },
    }


def report(field: "Correspondence", options: PairOptions, *, is_morph: bool = False) -> None:
    """Puts quality and pose into the result, says them, and stops below `--min-quality`.

    A morph says by itself which of its pictures it shows mirrored.

    Raises:
        QualityError: the verdict is below what was asked for; nothing has been written yet.
    """
    out = output.current()
    out.result.update(field_as_json(field))
    pose, quality = field.pose, field.quality
    if pose.mirrored and not is_morph:
        out.say("the source is mirrored: it matches better so (--flip never keeps it as it is)")
    if not pose.still:
        moved = " and moved" if pose.moved else ""
        out.note(f"the source was turned by {pose.angle:g}° and scaled by {pose.scale:g}{moved} before matching")
    reasons = f" ({'; '.join(quality.reasons)})" if quality.reasons else ""
    line = f"quality: {quality.verdict.value}{reasons}"
    if quality.signs.matches == 0:
        out.warn("no matches: nothing in the source was found in the target")
    elif quality.verdict.value == "good":
        out.note(line)
    else:
        out.warn(line)
    if options.min_quality is not None and quality.verdict.rank < type(quality.verdict)(options.min_quality.value).rank:
        raise QualityError(
            f"the correspondence is {quality.verdict.value}, below --min-quality {options.min_quality.value}{reasons}"
        )
