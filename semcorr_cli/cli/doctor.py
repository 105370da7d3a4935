"""`semcorr doctor`: versions, devices, folders, weights: what a bug report needs."""

import platform
import sys
from importlib import metadata

from rich.table import Table

from semcorr_cli import __version__, extractors
from semcorr_cli.cli import output
from semcorr_cli.cli.options import TalkOptions
from semcorr_cli.settings import Settings, in_force
from semcorr_cli.weights import local

PACKAGES = (
    "torch",
    "kornia",
    "diffusers",
    "transformers",
    "opencv-python",
    "numpy",
    "pillow",
    "av",
    "safetensors",
    "huggingface-hub",
    "typer",
    "rich",
    "ray",
)


def doctor(*, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr doctor
        semcorr doctor --json

    Prints versions, devices, folders, weights and the environment variables in force, and warns of known trouble.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    import torch

    settings = Settings.from_environment()
    out = output.current()
    versions = {name: _version(name) for name in PACKAGES}
    devices = ["cpu"]
    devices += [f"cuda:{k} ({torch.cuda.get_device_name(k)})" for k in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    weights = {spec.name: local(spec, {}, settings) is not None for spec in extractors.SPECS}
    warnings = _warnings()
    out.result.update(
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages=versions,
        devices=devices,
        threads=torch.get_num_threads(),
        weights=weights,
        folders={"weights": str(settings.weights), "cache": str(settings.cache)},
        offline=settings.offline,
        environment=in_force(),
        warnings=warnings,
    )
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("semcorr", __version__)
    table.add_row("python", f"{sys.version.split()[0]} on {platform.platform()}")
    for name, version in versions.items():
        table.add_row(name, version or "not installed")
    table.add_row("devices", ", ".join(devices))
    table.add_row("threads", str(torch.get_num_threads()))
    table.add_row("weights here", ", ".join(name for name, here in weights.items() if here))
    table.add_row("weights in", str(settings.weights))
    table.add_row("cache in", str(settings.cache))
    table.add_row("network", "forbidden" if settings.offline else "allowed for `models pull` alone")
    for name, value in in_force().items():
        table.add_row(name, value)
    out.table(table)
    for text in warnings:
        out.warn(text)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _warnings() -> list[str]:
    providers = sorted(set(metadata.packages_distributions().get("cv2", [])))
    if len(providers) > 1:
        return [f"cv2 is provided by {' and '.join(providers)}, which overwrite each other: keep one of them"]
    return []
