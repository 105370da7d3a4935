"""`semcorr cache`: features kept on disk."""

from typing import Annotated

import typer

from semcorr_cli.cli import output
from semcorr_cli.cli.options import TalkOptions
from semcorr_cli.settings import Settings, parse_size


def info(*, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr cache info
        semcorr cache info --json

    Says where cached features lie, how many there are and how much room they take.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from semcorr_cli.io.cache import FeatureCache

    settings = Settings.from_environment()
    found = FeatureCache(settings.cache, settings.cache_limit).info()
    out = output.current()
    out.result.update(path=str(settings.cache), files=found.files, bytes=found.size, limit=settings.cache_limit)
    out.text(f"{settings.cache}: {found.files} feature maps, {_mb(found.size)} of at most {_mb(settings.cache_limit)}")


def prune(
    max_size: Annotated[
        str, typer.Option(help="Keep this much of what was used last, such as 500M; 0 empties the cache.")
    ] = "0",
    *,
    options: TalkOptions,
) -> None:
    """Examples:

    \b
        semcorr cache prune
        semcorr cache prune --max-size 500M

    Removes cached features, the least recently used first.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from semcorr_cli.io.cache import FeatureCache

    settings = Settings.from_environment()
    removed = FeatureCache(settings.cache, settings.cache_limit).prune(parse_size(max_size, "--max-size"))
    out = output.current()
    out.result.update(path=str(settings.cache), files=removed.files, bytes=removed.size)
    out.say(f"removed {removed.files} feature maps, {_mb(removed.size)}, from {settings.cache}")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
