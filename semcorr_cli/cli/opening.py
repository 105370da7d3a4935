"""Pictures that verbs work on, with their masks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from semcorr_cli.cli.options import AUTO_MASK, FeatureOptions, PairOptions
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.core.image import Image
    from semcorr_cli.session import Session


def open_pictures(
    paths: list[str], options: FeatureOptions, aside: "Callable[[Image], Image] | None" = None
) -> "list[Image]":
    """Reads pictures and records them as inputs; the masks, if there are any, belong to the first two.

    Args:
        paths: of the pictures.
        options: masks and limits.
        aside: what is to be kept of the last picture, which is then read first, so that two large ones need not lie in
            memory together; None to keep it.
    """
    from dataclasses import replace

    from semcorr_cli.cli import output
    from semcorr_cli.io import images

    masks = (options.source_mask, options.target_mask) if isinstance(options, PairOptions) else ()
    if [*paths, *masks].count("-") > 1:
        raise UsageError("only one input can come from stdin")
    numbers = list(range(len(paths)))
    pictures: dict[int, Image] = {}
    sizes = {}
    for index in numbers if aside is None else reversed(numbers):
        picture = images.load(paths[index], max_pixels=options.max_pixels)
        sizes[index] = picture.hw
        mask = masks[index] if index < len(masks) else None
        if mask is not None and mask != AUTO_MASK:
            picture = replace(picture, mask=images.load_mask(mask, picture.hw, max_pixels=options.max_pixels))
        pictures[index] = aside(picture) if aside is not None and index == numbers[-1] else picture
        del picture
    for index in numbers:
        output.current().took(paths[index], sizes[index], pictures[index].notes)
    return [pictures[index] for index in numbers]


def find_objects(session: "Session", pictures: "list[Image]", pair: PairOptions) -> "list[Image]":
    """Returns the pictures with the masks that `auto` asks for, and says how much of them they show."""
    from semcorr_cli.cli import output

    wanted = (pair.source_mask == AUTO_MASK, pair.target_mask == AUTO_MASK)
    if not any(wanted):
        return pictures
    found = list(session.find_objects(pictures[0], pictures[1], of=wanted))
    for name, picture, estimated in zip(("source", "target"), found, wanted, strict=True):
        if estimated and picture.mask is not None:
            output.current().note(f"the {name}'s object was found on {100 * float(picture.mask.mean()):.0f} % of it")
    return found + pictures[2:]
