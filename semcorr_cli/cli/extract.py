"""`semcorr extract`: the feature map itself, for scripts."""

from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import output
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.match import PICTURES
from semcorr_cli.cli.opening import open_pictures
from semcorr_cli.cli.options import FeatureOptions, open_session

if TYPE_CHECKING:
    from semcorr_cli.core.features import FeatureMap


def extract(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Picture to describe; - for stdin.")],
    *,
    options: FeatureOptions,
) -> None:
    """Examples:

    \b
        semcorr extract cat.jpg -o cat.npz
        semcorr extract cat.jpg -o cat.safetensors
        semcorr extract cat.jpg -o cat-features.png

    Writes the feature map of a picture: `features` (c, h, w) float32 of unit length over c, on a grid that covers the
    picture exactly, and `image_hw`. A picture's suffix (png, jpg, ...) shows the first three principal components.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    out = output.current()
    place = destination(options, default_path(image, "features", ".npz"), (".npz", ".safetensors", *PICTURES))
    out.say(f"describing {image}")
    picture = open_pictures([image], options)[0]
    session = open_session(options)
    (features,) = session.features(picture)
    out.run["cached"] = [session.cached(picture)]
    channels, height, width = features.data.shape
    out.result.update(channels=channels, grid_hw=[height, width], image_hw=list(picture.hw))
    place.deliver(_encoded(features, place.suffix), (height, width) if place.suffix in PICTURES else None)
    session.close()


def _encoded(features: "FeatureMap", suffix: str) -> bytes:
    import io
    import json

    import numpy as np
    from safetensors.torch import save

    from semcorr_cli.effects import overlay
    from semcorr_cli.io.images import FORMATS, encode

    data = features.data.cpu().contiguous()
    if suffix == ".npz":
        target = io.BytesIO()
        np.savez(target, features=data.numpy(), image_hw=np.array(features.image_hw))
        return target.getvalue()
    if suffix == ".safetensors":
        return save({"features": data}, metadata={"image_hw": json.dumps(features.image_hw)})
    return encode(overlay.principal_components(features), FORMATS[suffix])[0]
