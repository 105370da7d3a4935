"""semcorr: image editing by semantic correspondence.

The public names are resolved when first used (PEP 562), so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from semcorr_cli.core.correspondence import Correspondence
    from semcorr_cli.core.features import FeatureMap
    from semcorr_cli.core.image import Image
    from semcorr_cli.core.matches import Matches
    from semcorr_cli.core.warp import Warp
    from semcorr_cli.session import Session, SessionOptions
    from semcorr_cli.settings import Settings

_HOMES = {
    "Correspondence": "semcorr_cli.core.correspondence",
    "FeatureMap": "semcorr_cli.core.features",
    "Image": "semcorr_cli.core.image",
    "Matches": "semcorr_cli.core.matches",
    "Warp": "semcorr_cli.core.warp",
    "Session": "semcorr_cli.session",
    "SessionOptions": "semcorr_cli.session",
    "Settings": "semcorr_cli.settings",
}

__all__ = [
    "Correspondence",
    "FeatureMap",
    "Image",
    "Matches",
    "Session",
    "SessionOptions",
    "Settings",
    "Warp",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
