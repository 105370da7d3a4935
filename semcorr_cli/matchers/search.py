"""The steps of a correspondence field that look at pictures: which pose, which matches, which map."""

from dataclasses import dataclass, replace

import torch

from semcorr_cli.core import coords, resample
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import nearest, pose, smooth, unfold
from semcorr_cli.matchers.looks import FieldOptions, Look, Looks
from semcorr_cli.matchers.nearest import CycleMatches, NearestOptions
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions

SAME_SUPPORT = 0.5
"""Support from which two pictures show the very same thing, so that fits follow the matches closely."""

SAME_INLIERS = 0.92
"""Inlier rate from which half that support will do: pictures of the same thing that overlap in part only."""

HELD = 0.07
"""Shift between aligned pictures, as a share of their size, at which a match has lost e^-½ of its weight."""

LOST_SUPPORT = 0.1
"""Support below which a second pass has lost the object, so that the first fit stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Matches and the map fitted to them, in the coordinates of the (mirrored, if so posed) working copies."""

    cycle: CycleMatches
    fit: SmoothFit

    @property
    def support(self) -> float:
        """Weight that agrees with the map, a row: 1 when every cell has a perfect match on the map."""
        matches = self.cycle.matches
        return float((matches.score * self.fit.trust).sum()) / max(len(matches), 1)

    @property
    def agreement(self) -> float:
        """The same with every row's weight squared, so that a few clear matches count for more than many vague ones."""
        matches = self.cycle.matches
        return float((matches.score * self.fit.trust).square().sum()) / max(len(matches), 1)

    @property
    def same_thing(self) -> bool:
        """The pictures show the very same thing, not two of a kind."""
        inliers = 1 - self.fit.cost
        return self.support >= SAME_SUPPORT or (self.support >= SAME_SUPPORT / 2 and inliers >= SAME_INLIERS)


@dataclass(frozen=True, slots=True)
class Posed:
    """What was found in a pose: by the first look, and by the second one through the first map, if there was one."""

    pose: Pose
    first: Found
    second: Found | None = None

    @property
    def found(self) -> Found:
        """The second look's findings, unless it lost the object."""
        return self.first if self.second is None or self.second.support < LOST_SUPPORT else self.second

    @property
    def agreement(self) -> float:
        """How well the pictures agree once they are aligned."""
        return 0.0 if self.second is None else self.second.agreement


@dataclass(frozen=True, slots=True)
class Search:
    """A search for the field between two working copies.

    Attributes:
        looks: how pictures are described.
        options: with what patience.
        source: what is turned, mirrored and drawn through maps.
        target: what stays as it is.
        seed: of the robust fits' random starts.
    """

    looks: Looks
    options: FieldOptions
    source: Image
    target: Image
    seed: int

    def run(self) -> tuple[Pose, Found]:
        """Finds the pose, and the closest map that pays."""
        if self.looks.fine is None:
            return self._with_dear_looks()
        fine, described = self.looks.fine, self.looks.fine.describe(self.target)
        best = self._posed_best(fine, described)
        return best.pose, self._closer(best, fine, described)

    def _with_dear_looks(self) -> tuple[Pose, Found]:
        """Tries the untouched and the mirrored picture, each looked at once."""
        described = self.looks.coarse.describe(self.target)
        candidates = pose.turns(self.options.flip, "never" if self.options.rotate == "auto" else self.options.rotate)
        found = {turned: self._in(turned, self.looks.coarse, described, self.options.first) for turned in candidates}
        best = pose.more_supported({turned: entry.support for turned, entry in found.items()}, self.options.margin)
        return best, found[best]

    def _posed_best(self, fine: Look, finely: FeatureStack) -> Posed:
        """Returns the pose in which aligned pictures agree best, with what was found in it."""
        o, looks = self.options, self.looks
        described = looks.coarse.describe(self.target)

        def twice(turned: Pose) -> Posed:
            first = self._in(turned, looks.coarse, described, o.first)
            return Posed(turned, first, self._aligned(turned, first, fine, finely, o.second))

        candidates = pose.turns(o.flip, o.rotate)
        untouched = twice(candidates[0])
        if untouched.agreement >= pose.CLEAR_AGREEMENT or len(candidates) == 1:
            return untouched
        quickly = looks.quick.describe(self.target)
        roughly = replace(o.nearest, window=0)  # poses are told apart by what agrees, not by fractions of a cell
        shortlist = pose.shortlisted(
            lambda turned: self._in(turned, looks.quick, quickly, o.rough, roughly).support,
            candidates,
            scales=o.rotate == "auto",
        )
        posed = [untouched] + [twice(turned) for turned in shortlist if turned != untouched.pose]
        best = pose.chosen({entry.pose: entry.agreement for entry in posed})
        return next(entry for entry in posed if entry.pose == best)

    def _closer(self, posed: Posed, fine: Look, described: FeatureStack) -> Found:
        """Makes the further passes that pay: those between pictures of the very same thing."""
        found = posed.found
        for _ in range(1, self.options.passes):
            if not found.same_thing:
                break
            found = self._aligned(posed.pose, found, fine, described, self.options.close)
        return found

    def _in(
        self,
        turned: Pose,
        look: Look,
        target: FeatureStack,
        fit: SmoothOptions,
        matching: NearestOptions | None = None,
    ) -> Found:
        """Matches the source in a pose, as the options say or otherwise."""
        picture = self.source.mirrored() if turned.mirrored else self.source
        if turned.still:
            return self._found(look, picture, None, target, fit, matching=matching)
        through, name = pose.turn_warp(turned, picture.hw), f"{turned.angle:g}:{turned.scale:g}"
        return self._found(look, picture, through, target, fit, name=name, matching=matching)

    def _aligned(self, turned: Pose, found: Found, look: Look, target: FeatureStack, fit: SmoothOptions) -> Found:
        """Matches the source, drawn through a map that was found in a pose, with the target."""
        picture = self.source.mirrored() if turned.mirrored else self.source
        return self._found(look, picture, unfold.unfold(found.fit).warp, target, fit, held=True)

    def _found(
        self,
        look: Look,
        source: Image,
        through: Warp | None,
        target: FeatureStack,
        fit: SmoothOptions,
        held: bool = False,
        name: str = "",
        matching: NearestOptions | None = None,
    ) -> Found:
        """Matches the source, drawn through a warp if there is one, with the target, and fits a map to the matches.

        A warp that other targets will ask for too has a name, so that the drawn picture need not be described again.
        """
        drawn = source if through is None else resample.draw(source, through, mode="bilinear")
        if name and source.digest:
            drawn = replace(drawn, digest=f"{source.digest}:{name}")
        cycle = nearest.match(*look.compare(look.describe(drawn), target), matching or self.options.nearest)
        matches = cycle.matches
        if through is not None:
            back = through.at(matches.source)
            size = coords.wh(source.hw, back)
            inside = ((back >= 0) & (back <= size)).all(dim=-1)
            score = matches.score * inside
            if held:
                shift = matches.source / coords.wh(matches.source_hw, back) - matches.target / coords.wh(
                    target.image_hw, back
                )
                score = score * torch.exp(-0.5 * (shift.norm(dim=-1) / HELD) ** 2)
            matches = replace(matches, source=back, score=score, source_hw=source.hw)
        generator = torch.Generator().manual_seed(self.seed)
        return Found(replace(cycle, matches=matches), smooth.fit(matches, fit, generator))
