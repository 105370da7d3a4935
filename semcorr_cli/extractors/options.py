"""Options of the extractors: frozen dataclasses, part of the cache key; imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExtractorOptions:
    """What every extractor can be told.

    Attributes:
        side: working size in pixels of the picture's longer side.
    """

    side: int


@dataclass(frozen=True, slots=True)
class SiftOptions(ExtractorOptions):
    """Options of the dense multi-scale RootSIFT.

    Attributes:
        side: working size in pixels of the picture's longer side.
        stride: working pixels between cell centres.
        patches: side in working pixels of the square each descriptor looks at, one entry a scale.
        patch_weights: share of each scale in the similarity.
        position_prior: weight of the relative position in the picture in the similarity; 0 for none. Helps where both
            pictures are framed alike (+1 to +2 points of PCK@0.10 on such pairs) and hurts where they are not.
    """

    side: int = 320
    stride: int = 8
    patches: tuple[int, ...] = (40, 80, 160, 320)
    patch_weights: tuple[float, ...] = (1.0, 1.5, 1.5, 1.5)
    position_prior: float = 0.0


@dataclass(frozen=True, slots=True)
class BuiltinOptions(ExtractorOptions):
    """Options of the built-in network.

    Attributes:
        side: working size in pixels of the picture's longer side; a cell of the grid is 8 of them.
        scales: sizes at which the network looks, as shares of `side`; the maps are averaged.
        sift_weight: weight of dense RootSIFT in the similarity, beside the network's 1; 0 for none.
        sift_patches: its patches, in working pixels.
    """

    side: int = 320
    scales: tuple[float, ...] = (0.5, 0.6, 0.8)
    sift_weight: float = 0.0
    sift_patches: tuple[int, ...] = ()
