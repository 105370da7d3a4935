"""Images become feature maps; one file a backbone. SPECS is the table of names and imports no torch."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from semcorr_cli.extractors.options import BuiltinOptions, ExtractorOptions, SiftOptions


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights that an extractor needs.

    Attributes:
        repository: hub id, `owner/name`.
        revision: commit the file is pinned to.
        file: path inside the repository.
        sha256: hexadecimal digest of the file.
        size: bytes.
        licence: SPDX name, or the licence's own.
    """

    repository: str
    revision: str
    file: str
    sha256: str
    size: int
    licence: str

    @property
    def local_name(self) -> str:
        """Where the file lies below the weights folder."""
        return str(PurePosixPath(self.repository.replace("/", "--")) / self.revision[:12] / self.file)


@dataclass(frozen=True, slots=True)
class ExtractorSpec:
    """A row of the table of extractors.

    Attributes:
        name: what `--features` takes.
        summary: one line for `models list`.
        entry: "module:Class", imported when the extractor is built.
        options: default options; the type says which options exist.
        channels: length of a descriptor.
        stride: working pixels a cell.
        licence: of the code and weights together.
        version: raised when the same picture would give other numbers; part of the cache key.
        weights: files needed from a hub; empty when there are none.
        packaged: name of the file of weights that lies beside this one; empty when there is none.
        quick_options: options for telling poses apart; None for the same as for matching.
        fine_options: options for describing aligned pictures, with less context; None for the same too.
        cheap: features take well under a second on a CPU, so that poses may be searched and features re-extracted.
    """

    name: str
    summary: str
    entry: str
    options: ExtractorOptions
    channels: int
    stride: int
    licence: str
    version: int
    weights: tuple[WeightsFile, ...] = ()
    packaged: str = ""
    quick_options: ExtractorOptions | None = None
    fine_options: ExtractorOptions | None = None
    cheap: bool = False

    def files(self, folder: Path) -> list[Path]:
        """Returns where the files of weights lie, or would lie, given the folder of downloaded ones."""
        if self.packaged:
            return [Path(__file__).with_name(self.packaged)]
        return [folder / file.local_name for file in self.weights]


SPECS: tuple[ExtractorSpec, ...] = (
    ExtractorSpec(
        name="builtin",
        summary="a small network of our own, in the package; no network, a fraction of a second on a CPU",
        entry="semcorr_cli.extractors.builtin:Builtin",
        options=BuiltinOptions(),
        channels=128,
        stride=8,
        licence="Apache-2.0",
        version=2,
        packaged="builtin.safetensors",
        quick_options=BuiltinOptions(side=240, scales=(0.8,)),
        fine_options=BuiltinOptions(sift_weight=1.0, sift_patches=(32, 64, 128)),
        cheap=True,
    ),
    ExtractorSpec(
        name="sift",
        summary="dense RootSIFT at four scales; no weights, no learning",
        entry="semcorr_cli.extractors.sift:DenseSift",
        options=SiftOptions(),
        channels=4 * 128,
        stride=8,
        licence="Apache-2.0",
        version=2,
        fine_options=SiftOptions(patches=(32, 64, 128), patch_weights=(1.0, 1.0, 1.0)),
        cheap=True,
    ),
)
"""All extractors, the one that `--features auto` prefers first."""


def names() -> tuple[str, ...]:
    """Returns what `--features` accepts besides `auto`."""
    return tuple(spec.name for spec in SPECS)


def find(name: str) -> ExtractorSpec | None:
    """Returns the row of a name, or None."""
    return next((spec for spec in SPECS if spec.name == name), None)
