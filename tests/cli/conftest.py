from dataclasses import replace

import pytest

from semcorr_cli import extractors
from semcorr_cli.extractors.options import ExtractorOptions
from semcorr_cli.extractors.spec import ExtractorSpec


def halved(options: ExtractorOptions | None) -> ExtractorOptions | None:
    return options and options.resized(options.side // 2)


def small(spec: ExtractorSpec) -> ExtractorSpec:
    looks = {name: halved(getattr(spec, name)) for name in ("options", "fine_options", "close_options")}
    return replace(spec, **looks)


@pytest.fixture
def small_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Describes pictures at half the working size: commands take the same steps over a quarter of the cells.

    The README's commands, run elsewhere, keep the size that users get.
    """
    monkeypatch.setattr(extractors, "SPECS", tuple(small(spec) for spec in extractors.SPECS))
