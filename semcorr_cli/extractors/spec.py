"""ExtractorSpec: a row of the table of extractors; imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from semcorr_cli.extractors.models import Model
from semcorr_cli.extractors.options import ExtractorOptions


@dataclass(frozen=True, slots=True)
class ExtractorSpec:
    """A row of the table of extractors.

    Attributes:
        name: what `--features` takes.
        summary: one line for `models list`.
        entry: "module:Class", imported when the extractor is built.
        options: default options; the type says which options exist.
        channels: length of a descriptor with the row's own weights.
        stride: working pixels a cell.
        licence: of the code and weights together.
        version: raised when the same picture would give other numbers; part of the cache key.
        preset: name of the published recipe that the row stands for; `--features` takes it too.
        models: weights needed from elsewhere; empty when there are none.
        packaged: name of the file of weights that lies beside this one; empty when there is none.
        fine_options: options for describing aligned pictures, with less context; None for the same too.
        close_options: options for describing them once their pose is known; None for those before.
        cheap: features take well under a second on a CPU, so that poses may be searched and features re-extracted.
        window: half-width in cells of the window in which soft-argmax places a match; None for the matcher's own.
    """

    name: str
    summary: str
    entry: str
    options: ExtractorOptions
    channels: int
    stride: int
    licence: str
    version: int
    preset: str = ""
    models: tuple[Model, ...] = ()
    packaged: str = ""
    fine_options: ExtractorOptions | None = None
    close_options: ExtractorOptions | None = None
    cheap: bool = False
    window: int | None = None

    @property
    def family(self) -> str:
        """The name without its preset: what `--weights` takes."""
        return self.name.partition(":")[0]

    def files(self, folder: Path) -> list[Path]:
        """Returns where the files of weights lie, or would lie, given the folder of downloaded ones."""
        if self.packaged:
            return [Path(__file__).with_name(self.packaged)]
        return [folder / model.folder / file.path for model in self.models for file in model.files]

    def places(self, folder: Path) -> dict[str, Path]:
        """Returns the file or folder of each role of weights, given the folder of downloaded ones."""
        if self.packaged:
            return {self.family: Path(__file__).with_name(self.packaged)}
        return {model.role: folder / model.folder / model.main for model in self.models}


def given_places(family: str, given: Mapping[str, Path]) -> dict[str, Path]:
    """Returns the file or folder of each role of weights that the user named.

    Args:
        family: of the extractor.
        given: files or folders by family, as `--weights` takes them. `dino` is a folder as transformers saves it;
            `diffusion` one as diffusers saves a pipeline, or a file that holds a U-Net alone; `hybrid` a folder with
            `dino` and, in `diffusion` or beside it, a pipeline; `builtin` a file.
    """
    found: dict[str, Path] = {}
    whole = given.get("hybrid") if family == "hybrid" else None
    if whole is not None:
        pipeline = whole / "diffusion"
        given = {"dino": whole / "dino", "diffusion": pipeline if pipeline.is_dir() else whole, **given}
    if family in ("dino", "hybrid") and "dino" in given:
        found["dino"] = given["dino"]
    if family in ("diffusion", "hybrid") and "diffusion" in given:
        place = given["diffusion"]
        found |= {"diffusion": place, "unet": place / "unet"} if place.is_dir() else {"unet": place}
    if family == "builtin" and "builtin" in given:
        found["builtin"] = given["builtin"]
    return found
