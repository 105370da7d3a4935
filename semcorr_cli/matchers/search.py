"""The steps of a correspondence field that look at pictures: which pose, which matches, which map."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semcorr_cli.core import coords, resample
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import facing, nearest, pose, relation, smooth, unfold
from semcorr_cli.matchers.looks import FieldOptions, Look, Looks
from semcorr_cli.matchers.nearest import CycleMatches
from semcorr_cli.matchers.pose import Allowed, Evidence
from semcorr_cli.matchers.relation import Relation
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions

SAME_SUPPORT = 0.5
"""Support from which two pictures show the very same thing, so that fits follow the matches closely."""

SAME_INLIERS = 0.92
"""Inlier rate from which half that support will do: pictures of the same thing that overlap in part only."""

HELD = 0.07
"""Shift between aligned pictures, as a share of their size, at which a match has lost e^-½ of its weight."""

GLANCE = 40
"""Cells along the longer side up to which poses are compared; the chosen one is looked at in full."""

LOST_SUPPORT = 0.1
"""Support below which a second pass has lost the object, so that the first fit stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Matches and the map fitted to them, in the coordinates of the (mirrored, if so posed) working copies."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a look says of the source, drawn through a warp if there is one, and of the target."""

    source: FeatureMap
    target: FeatureMap
    through: Warp | None

    @property
    def cells(self) -> int:
        """Cells along the longer side of the larger grid."""
        return max(*self.source.hw, *self.target.hw)

    def reduced(self, cells: int) -> "Seen":
        """Returns the same on smaller grids."""
        return replace(self, source=self.source.reduced(cells), target=self.target.reduced(cells))


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """What was found in a pose: by the first look, and by the second one through the first map."""

    pose: Pose
    first: Found
    aligned: Seen
    second: Found

    @property
    def found(self) -> Found:
        """The second look's findings, unless it lost the object."""
        return self.first if self.second.support < LOST_SUPPORT else self.second

    @property
    def agreement(self) -> float:
        """How well the pictures agree once they are aligned."""
        return self.second.agreement


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """What a search comes to.

    Attributes:
        pose: in which the source looks like the target.
        first: what the first look found in that pose.
        found: matches and map.
        related: what the source is to the target, at a glance.
        facing: chance that like ends were joined; see `pose.faced`.
        glanced: what the glance said of the target.
    """

    pose: Pose
    first: Found
    found: Found
    related: Relation
    facing: float
    glanced: FeatureStack


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The pose that was chosen.

    Attributes:
        posed: what was found in it.
        weighed: what spoke for each of the poses that were matched.
        related: what the source is to the target, at a glance.
    """

    posed: Posed
    weighed: Mapping[Pose, Evidence]
    related: Relation


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

    @property
    def allowed(self) -> Allowed:
        """The poses that may be tried."""
        return Allowed(self.options.flip, self.options.rotate)

    def run(self) -> Sought:
        """Finds the pose, and the closest map that pays."""
        if self.looks.fine is None:
            return self._with_dear_looks()
        glanced = self.looks.posing.describe(self.target)
        fine, described = self.looks.fine, self.looks.fine.describe(self.target)
        choice = self._posed_best(fine, described, glanced)
        best = choice.posed
        if best.aligned.cells > GLANCE:
            best = replace(best, second=self._found(best.aligned, self.options.second, held=True))
        found, sure = self._closer(best, fine, described), pose.faced(best.pose, choice.weighed)
        return Sought(best.pose, best.first, found, choice.related, sure, glanced)

    def _with_dear_looks(self) -> Sought:
        """Looks once at the picture as it is, and at it in its likeliest pose."""
        glanced, described = self.looks.posing.describe(self.target), self.looks.coarse.describe(self.target)
        related = self._related(glanced)
        found = {
            turned: self._found(self._in(turned, self.looks.coarse, described), self.options.first)
            for turned in dict.fromkeys([self.allowed.first, *self.allowed.likely(related, 1)])
        }
        ends = self._ends()
        weighed = {turned: Evidence(entry.support, ends(turned, entry)) for turned, entry in found.items()}
        best = pose.chosen(weighed, related, self.allowed)
        return Sought(best, found[best], found[best], related, pose.faced(best, weighed), glanced)

    def likeness(self, sought: Sought, through: Warp) -> float:
        """Looks once more, at the pictures as they are aligned in the end, whatever extractor matched them.

        Args:
            sought: what `run` came to.
            through: the warp made of it, of pictures of any sizes.

        Returns:
            The mean cosine similarity of the built-in descriptors at matches, by how much these count.
        """
        look, matches = self.looks.posing, sought.found.trusted
        aligned = resample.draw(
            self._side(sought.pose), through.resized(self.source.hw, self.target.hw), mode="bilinear"
        )
        source, target = look.compare(look.describe(aligned), sought.glanced)
        return matches.mean((source.at(matches.target) * target.at(matches.target)).sum(dim=-1))

    def _posed_best(self, fine: Look, finely: FeatureStack, glanced: FeatureStack) -> Choice:
        """Returns the pose in which aligned pictures agree best, with what was found in it."""
        o, looks, allowed = self.options, self.looks, self.allowed
        described = looks.coarse.describe(self.target)

        def once(turned: Pose) -> Found:
            return self._found(self._in(turned, looks.coarse, described).reduced(GLANCE), o.first)

        def again(turned: Pose, first: Found) -> Posed:
            aligned = self._aligned(turned, first, fine, finely)
            return Posed(turned, first, aligned, self._found(aligned.reduced(GLANCE), o.second, held=True))

        untouched = again(allowed.first, once(allowed.first))
        is_clear = untouched.agreement >= pose.CLEAR_AGREEMENT
        related = self._related(glanced, is_clear=is_clear)
        seen = {} if is_clear else {turned: once(turned) for turned in allowed.contenders(related)}
        if not seen:
            return Choice(untouched, {}, related)
        ends, seen = self._ends(), {allowed.first: untouched.first} | seen
        once_weighed = {turned: Evidence(found.agreement, ends(turned, found)) for turned, found in seen.items()}
        posed = {allowed.first: untouched}
        for turned in pose.promising(once_weighed, related, allowed):
            posed[turned] = posed.get(turned) or again(turned, seen[turned])
        weighed = {turned: Evidence(entry.agreement, ends(turned, entry.found)) for turned, entry in posed.items()}
        return Choice(posed[pose.chosen(weighed, related, allowed)], once_weighed | weighed, related)

    def _ends(self) -> Callable[[Pose, Found], float]:
        """Returns what tells how surely matches that were found in a pose join like ends of things."""
        if self.options.flip != "auto":
            return lambda turned, found: 0.0
        source, target = self.looks.facing(self.source), self.looks.facing(self.target)

        def told(turned: Pose, found: Found) -> float:
            matches = found.trusted
            return facing.evidence(source, target, matches.mirrored_source() if turned.mirrored else matches)

        return told

    def _related(self, described: FeatureStack, *, is_clear: bool = False) -> Relation:
        """Tells what the source, turned as it is at any rate, is to the target.

        Args:
            described: what the glance said of the target.
            is_clear: the pose is known; one look will do.
        """
        allowed, look = self.allowed, self.looks.posing
        target = relation.square(look.compare(described, described)[1])

        def looked_at(poses: Iterable[Pose]) -> dict[Pose, Tensor]:
            stacks = {turned: look.describe(self._drawn(allowed.drawn(turned))) for turned in poses}
            maps = [look.compare(stack, described)[0] for stack in stacks.values()]
            return dict(zip(stacks, relation.square_each(maps), strict=True))

        if is_clear:
            return relation.relate(looked_at(allowed.poses()[:1]), target)
        upright, lying = looked_at(allowed.poses()), looked_at(allowed.quarters)
        met = {turned: relation.mutual(seen, target) for turned, seen in (upright | lying).items()}
        best = max(met, key=lambda turned: met[turned])
        if best in lying and met[best] > pose.FALLEN * max(met[turned] for turned in upright):
            upright = looked_at(allowed.poses(best.angle))
        return relation.relate(upright, target)

    def _closer(self, posed: Posed, fine: Look, described: FeatureStack) -> Found:
        """Makes the further passes that pay: those between pictures of the very same thing."""
        found = posed.found
        for _ in range(1, self.options.passes):
            if not found.same_thing:
                break
            found = self._found(self._aligned(posed.pose, found, fine, described), self.options.close, held=True)
        return found

    def _in(self, turned: Pose, look: Look, target: FeatureStack) -> Seen:
        """Looks at the source in a pose, and at the target."""
        through = None if turned.still else pose.turn_warp(turned, self.source.hw, self.target.hw)
        return Seen(*look.compare(look.describe(self._drawn(turned)), target), through)

    def _drawn(self, turned: Pose) -> Image:
        """Draws the source in a pose; it has a digest, as other targets will ask for it too."""
        picture = self._side(turned)
        if turned.still:
            return picture
        drawn = resample.draw(picture, pose.turn_warp(turned, picture.hw, self.target.hw), mode="bilinear")
        place = f":{turned.shift}:{drawn.hw}" if turned.moved else ""
        name = f"{picture.digest}:{turned.angle:g}:{turned.scale:g}{place}"
        return replace(drawn, digest=name if picture.digest else "")

    def _side(self, turned: Pose) -> Image:
        """Returns the source mirrored or not, which the coordinates of what is found in a pose are those of."""
        return self.source.mirrored() if turned.mirrored else self.source

    def _aligned(self, turned: Pose, found: Found, look: Look, target: FeatureStack) -> Seen:
        """Looks at the source, drawn through a map that was found in a pose, and at the target."""
        through = unfold.unfold(found.fit).warp
        drawn = resample.draw(self._side(turned), through, mode="bilinear")
        return Seen(*look.compare(look.describe(drawn), target), through)

    def _found(self, seen: Seen, fit: SmoothOptions, *, held: bool = False) -> Found:
        """Matches what was seen and fits a map to the matches.

        Args:
            seen: what was seen.
            fit: how to fit.
            held: matches count for less the farther they are from the warp that the source was drawn through.
        """
        cycle = nearest.match(seen.source, seen.target, self.options.nearest)
        matches, hw = cycle.matches, self.source.hw
        if seen.through is not None:
            back = seen.through.at(matches.source)
            size = coords.wh(hw, back)
            inside = ((back >= 0) & (back <= size)).all(dim=-1)
            # Cells beside the source, of which a small one leaves many, do not count at all; target cells that were
            # matched with one do, as having found nothing.
            counted = inside | (torch.arange(len(matches)) >= len(seen.source.cells()))
            matches, back = matches[counted], back[counted]
            score = matches.score * inside[counted]
            if held:
                there, here = (coords.wh(size_hw, back) for size_hw in (matches.source_hw, matches.target_hw))
                shift = matches.source / there - matches.target / here
                score = score * torch.exp(-0.5 * (shift.norm(dim=-1) / HELD) ** 2)
            matches = replace(matches, source=back, score=score, source_hw=hw)
        generator = torch.Generator().manual_seed(self.seed)
        return Found(replace(cycle, matches=matches), smooth.fit(matches, fit, generator))
