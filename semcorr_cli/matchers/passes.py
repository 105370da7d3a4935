"""Passes between two pictures: one is drawn in a pose, or through a map, to lie like the other, and matched with it."""

import math
from dataclasses import dataclass, replace

import torch

from semcorr_cli.core import coords, resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import nearest, pose, smooth, unfold
from semcorr_cli.matchers.looks import FieldOptions, Look, Looks
from semcorr_cli.matchers.nearest import CycleMatches, NearestOptions
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions

SAME_SUPPORT = 0.5
"""Support from which two pictures show the very same thing, so that fits follow the matches closely."""

SAME_INLIERS = 0.92
"""Inlier rate from which half that support will do: pictures of the same thing that overlap in part only."""

VERY_SAME_INLIERS = 0.89
"""Inlier rate of a further pass below which the two are but alike after all. Of 23 photographs and warped copies of
them all had 0.91 or more; of 24 pairs of two things that come so far, 22 had less than 0.88."""

HELD = 0.12
"""Shift between aligned pictures, as a share of their size, at which a match has lost e^-½ of its weight."""

SHARPER = 0.75
"""Temperature of the soft-argmax between pictures aligned in the pose that was chosen, as a share of the usual one."""

GLANCE = 40
"""Cells along the longer side up to which poses are compared; the chosen one is looked at in full."""

SAME_SIZE = 2.0
"""How many times larger one picture may show the thing than the other for the two to be of one size, more or less."""

CLEAR_AGREEMENT = 0.23
"""Agreement of the untouched pictures from which no other pose is tried."""

LOST_SUPPORT = 0.1
"""Support below which a second pass has lost the object, so that the first fit stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Matches and the map fitted to them, in the coordinates of the (mirrored, if so posed) working copies.

    The picture that was drawn to lie like the other is their source.
    """

    cycle: CycleMatches
    fit: SmoothFit

    @property
    def trusted(self) -> Matches:
        """The matches, with as much of their weight as agrees with the map."""
        matches = self.cycle.matches
        return replace(matches, score=matches.score * self.fit.trust)

    @property
    def inlier_rate(self) -> float:
        """Share of the matches' weight that agrees with the map."""
        return 1 - self.fit.cost

    @property
    def support(self) -> float:
        """Weight that agrees with the map, a row: 1 when every cell has a perfect match on the map."""
        return float(self.trusted.score.sum()) / max(len(self.cycle.matches), 1)

    @property
    def agreement(self) -> float:
        """The same with every row's weight squared, so that a few clear matches count for more than many vague ones."""
        return float(self.trusted.score.square().sum()) / max(len(self.cycle.matches), 1)

    @property
    def same_thing(self) -> bool:
        """The pictures show the very same thing, not two of a kind."""
        return self.support >= SAME_SUPPORT or (self.support >= SAME_SUPPORT / 2 and self.inlier_rate >= SAME_INLIERS)

    @property
    def same_size(self) -> bool:
        """The pictures show the thing at about one size: trusted matches are spread over as much of either."""
        matches = self.trusted
        there, here = _extent(matches), _extent(matches.reversed())
        return max(there, here) < SAME_SIZE * min(there, here)

    def reversed(self, generator: torch.Generator) -> "Found":
        """Returns the same with source and target exchanged, and a map of its own the other way."""
        matches = self.cycle.matches.reversed()
        return Found(replace(self.cycle, matches=matches), smooth.fit(matches, self.fit.options, generator))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a look says of one picture, drawn through a warp if there is one, and of another, the target."""

    source: FeatureMap
    target: FeatureMap
    through: Warp | None

    def reduced(self, cells: int) -> "Seen":
        """Returns the same on smaller grids."""
        return replace(self, source=self.source.reduced(cells), target=self.target.reduced(cells))


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """What was found in a pose: by the first look, and by the second one through the first map."""

    first: Found
    second: Found

    @property
    def found(self) -> Found:
        """The second look's findings, unless it lost the object."""
        return self.first if self.second.support < LOST_SUPPORT else self.second

    @property
    def agreement(self) -> float:
        """How well the pictures agree once they are aligned."""
        return self.second.agreement

    @property
    def clear(self) -> bool:
        """The pictures agree so well, at one size, that no other pose need be tried."""
        return self.agreement >= CLEAR_AGREEMENT and self.second.same_size


def _extent(matches: Matches) -> float:
    """Returns how far matches are spread over the source: the deviation from their mean, as a share of its side."""
    x, y = matches.source.unbind(1)
    squares = (x - matches.mean(x)).square() + (y - matches.mean(y)).square()
    return math.sqrt(matches.mean(squares)) / max(matches.source_hw)


def drawn_in(picture: Image, turned: Pose, frame: Hw) -> tuple[Image, Warp | None]:
    """Draws a picture in a pose, whether it is mirrored aside; it has a digest, as others will ask for it too.

    Returns the warp that it was drawn through beside it, None where it is the picture itself.

    Args:
        picture: any.
        turned: the pose.
        frame: size of the picture that it is laid over.
    """
    if turned.still:
        return picture, None
    through = pose.turn_warp(turned, picture.hw, frame)
    drawn = resample.draw(picture, through, mode="bilinear")
    place = f":{turned.shift}:{drawn.hw}" if turned.moved else ""
    name = f"{picture.digest}:{turned.angle:g}:{turned.scale:g}{place}"
    return replace(drawn, digest=name if picture.digest else ""), through


def alike(look: Look, aligned: Image, staying: FeatureStack, matches: Matches) -> float:
    """Looks at a picture that was drawn through a map, whatever extractor found the map.

    Args:
        look: what to look with.
        aligned: the picture, drawn to lie like the one that stays.
        staying: what the look says of that one.
        matches: what the map was made of; the one that stays is their target.

    Returns:
        The mean cosine similarity of what is said of the two at matches, by how much these count.
    """
    drawn, still = look.compare(look.describe(aligned), staying)
    return matches.mean((drawn.at(matches.target) * still.at(matches.target)).sum(dim=-1))


class Described:
    """A picture and what looks say of it, each taken when it is first asked for."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._said: dict[Look, FeatureStack] = {}

    def by(self, look: Look) -> FeatureStack:
        """Returns what a look says of the picture."""
        if look not in self._said:
            self._said[look] = look.describe(self.image)
        return self._said[look]


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """Passes between a picture that is drawn anew for each and one that stays as it is.

    Where the source would have to be shrunk, to a few cells, the target is drawn instead, and enlarged. Poses are those
    of the source in either case.

    Attributes:
        looks: how pictures are described.
        options: with what patience.
        drawn: what is turned, and drawn through maps.
        staying: what stays as it is.
        backwards: the target is what is drawn.
        seed: of the robust fits' random starts.
    """

    looks: Looks
    options: FieldOptions
    drawn: Image
    staying: Described
    backwards: bool
    seed: int

    def once(self, turned: Pose, cells: int | None = None, *, hubs: bool = True) -> Found:
        """Matches the pictures in a pose.

        Args:
            turned: the pose; whether it is mirrored is ignored, as the source is mirrored already if so.
            cells: along the longer sides of the grids at most; None for all there are.
            hubs: see `nearest.NearestOptions`.

        Returns:
            Matches and map from the picture that is drawn to the one that stays.
        """
        look, own = self.looks.coarse, pose.undone(turned) if self.backwards else turned
        drawn, through = drawn_in(self.drawn, own, self.staying.image.hw)
        seen = Seen(*look.compare(look.describe(drawn), self.staying.by(look)), through)
        if cells is not None:
            seen = seen.reduced(cells)
        return self._fitted(self._matched(seen, replace(self.options.nearest, hubs=hubs)), self.options.first)

    def again(self, first: Found) -> Posed:
        """Matches them, on small grids, with finer descriptors and aligned by what was found."""
        aligned = self._aligned(first, self.looks.fine).reduced(GLANCE)
        return Posed(first, self._fitted(self._told_apart(aligned, self.options.nearest), self.options.second))

    def closest(self, turned: Pose) -> Found:
        """Matches all cells in a pose, fewer in the other picture's frame too, and makes the further passes that pay.

        It begins anew, without hubs and with the closest look: more parts are found so, but poses are told apart worse.
        What is misplaced in the one frame is seldom so in the other, as other pixels are drawn and others kept. Further
        passes pay between pictures of the very same thing, by whole descriptors: what they all have in common hides
        nothing there. Where their matches part with the map the two are but alike, and it is taken away again.

        Args:
            turned: the pose; see `once`.

        Returns:
            Matches and map from the source to the target.
        """
        first, look = self.once(turned, GLANCE, hubs=False), self.looks.close
        second = self._told_apart(self._aligned(first, look), self._sharp)
        found = Posed(first, self._fitted(second, self.options.second)).found
        if found is not first:
            found = self._with(found, self._exchanged()._again(first.reversed(self._generator())))
        common = True
        for _ in range(1, self.options.passes):
            if not found.same_thing:
                break
            closer = self._closer(found, common=common)
            if common and closer.inlier_rate < VERY_SAME_INLIERS:
                common = False
                closer = self._closer(found, common=False)
            found = closer
        return found.reversed(self._generator()) if self.backwards else found

    def _closer(self, found: Found, *, common: bool) -> Found:
        """Makes a further pass; see `nearest.NearestOptions` for what is common."""
        seen, options = self._aligned(found, self.looks.close), replace(self.options.nearest, common=common)
        return self._fitted(self._matched(seen, options, held=True), self.options.close)

    def trusted(self, found: Found) -> Matches:
        """Returns matches, from the source to the target, with as much of their weight as agrees with the map."""
        return found.trusted.reversed() if self.backwards else found.trusted

    def likeness(self, found: Found) -> float:
        """Returns how alike the pictures are to the look that poses are told from, once they are aligned."""
        aligned, _ = self._drawn_through(found)
        return alike(self.looks.posing, aligned, self.staying.by(self.looks.posing), found.trusted)

    def _exchanged(self) -> "Passes":
        """Returns the passes that draw the picture that stays here, and keep the one that is drawn."""
        return replace(self, drawn=self.staying.image, staying=Described(self.drawn), backwards=not self.backwards)

    def _again(self, first: Found) -> CycleMatches:
        """Matches the pictures on small grids, aligned by what was found, and fits no map."""
        return self._told_apart(self._aligned(first, self.looks.close).reduced(GLANCE), self._sharp)

    def _with(self, found: Found, exchanged: CycleMatches) -> Found:
        """Fits a map to what was found here and by the exchanged passes, together."""
        matches = found.cycle.matches.joined(exchanged.matches.reversed())
        rate = (found.cycle.cycle_rate + exchanged.cycle_rate) / 2
        return self._fitted(CycleMatches(matches, rate), self.options.second)

    def _drawn_through(self, found: Found) -> tuple[Image, Warp]:
        through = unfold.unfold(found.fit).warp
        return resample.draw(self.drawn, through, mode="bilinear"), through

    def _aligned(self, found: Found, look: Look | None) -> Seen:
        """Looks at the pictures, the one drawn through a map that was found."""
        assert look is not None, "extractors that are dear do not look at aligned pictures"
        aligned, through = self._drawn_through(found)
        return Seen(*look.compare(look.describe(aligned), self.staying.by(look)), through)

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)

    def _fitted(self, cycle: CycleMatches, fit: SmoothOptions) -> Found:
        """Fits a map to matches."""
        return Found(cycle, smooth.fit(cycle.matches, fit, self._generator()))

    @property
    def _sharp(self) -> NearestOptions:
        """How places are told apart in the pose that was chosen."""
        options = self.options.nearest
        return replace(options, temperature=SHARPER * options.temperature)

    def _told_apart(self, seen: Seen, options: NearestOptions) -> CycleMatches:
        """Matches aligned pictures of two things by what tells their places apart, not by what they all share."""
        return self._matched(seen, replace(options, common=False), held=True)

    def _matched(self, seen: Seen, options: NearestOptions, *, held: bool = False) -> CycleMatches:
        """Matches what was seen.

        Args:
            seen: what was seen.
            options: how.
            held: matches count for less the farther they are from the warp that the one picture was drawn through.
        """
        cycle = nearest.match(seen.source, seen.target, options)
        if seen.through is None:
            return cycle
        matches, hw = cycle.matches, self.drawn.hw
        back = seen.through.at(matches.source)
        size = coords.wh(hw, back)
        inside = ((back >= 0) & (back <= size)).all(dim=-1)
        # Cells beside the drawn picture, of which a small one leaves many, do not count at all; cells of the other
        # that were matched with one do, as having found nothing.
        counted = inside | (torch.arange(len(matches)) >= len(seen.source.cells()))
        matches, back = matches[counted], back[counted]
        score = matches.score * inside[counted]
        if held:
            there, here = (coords.wh(size_hw, back) for size_hw in (matches.source_hw, matches.target_hw))
            shift = matches.source / there - matches.target / here
            score = score * torch.exp(-0.5 * (shift.norm(dim=-1) / HELD) ** 2)
        return replace(cycle, matches=replace(matches, source=back, score=score, source_hw=hw))
