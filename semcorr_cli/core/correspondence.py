"""Correspondence: everything one knows about which part of a source is which part of a target."""

from dataclasses import dataclass, replace

from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality
from semcorr_cli.core.warp import Warp


@dataclass(frozen=True, slots=True)
class Pose:
    """How the source is turned before it looks like the target.

    Attributes:
        mirrored: left and right change sides, first.
        angle: rotation about the middle in degrees, counter-clockwise as seen.
        scale: enlargement about the middle.
        shift: how far it is moved right and down then, in longer sides, when it is laid over the target's frame.
    """

    mirrored: bool = False
    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def moved(self) -> bool:
        """Laid elsewhere than in the middle."""
        return self.shift != (0.0, 0.0)

    @property
    def still(self) -> bool:
        """Neither rotated nor scaled nor moved."""
        return self.angle == 0 and self.scale == 1 and not self.moved


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """A correspondence field between two pictures, both ways.

    Attributes:
        matches: pairs that the field is made of, the most confident first; outliers have been dropped.
        warp: for every target pixel, where to read in the source.
        forward: for every source pixel, where to read in the target.
        quality: how far all this is to be trusted.
        pose: how the source was turned to find it.
    """

    matches: Matches
    warp: Warp
    forward: Warp
    quality: Quality
    pose: Pose

    def source_mirrored(self) -> "Correspondence":
        """Returns the correspondence after the source picture was mirrored left to right."""
        return replace(
            self,
            matches=self.matches.mirrored_source(),
            warp=self.warp.source_mirrored(),
            forward=self.forward.target_mirrored(),
            pose=replace(self.pose, mirrored=not self.pose.mirrored),
        )

    def target_mirrored(self) -> "Correspondence":
        """Returns the correspondence after the target picture was mirrored left to right."""
        return replace(
            self,
            matches=self.matches.reversed().mirrored_source().reversed(),
            warp=self.warp.target_mirrored(),
            forward=self.forward.source_mirrored(),
            pose=replace(self.pose, mirrored=not self.pose.mirrored),
        )
