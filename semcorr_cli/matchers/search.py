"""The search for a correspondence field: which pose, which matches, which map."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from torch import Tensor

from semcorr_cli.core import resample
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import facing, pose, relation
from semcorr_cli.matchers.looks import FieldOptions, Looks
from semcorr_cli.matchers.passes import GLANCE, Described, Found, Passes, alike, drawn_in
from semcorr_cli.matchers.pose import Allowed, Evidence
from semcorr_cli.matchers.relation import Relation


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
        pose: the pose.
        first: what the first look found in it.
        weighed: what spoke for each of the poses that were matched.
        related: what the source is to the target, at a glance.
    """

    pose: Pose
    first: Found
    weighed: Mapping[Pose, Evidence]
    related: Relation


@dataclass(frozen=True, slots=True)
class Search:
    """A search for the field between two working copies.

    Attributes:
        looks: how pictures are described.
        options: with what patience.
        source: what is turned and mirrored to look like the target.
        target: what it is to look like.
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
        target = Described(self.target)
        passes, glanced = self._passes(target), target.by(self.looks.posing)
        if self.looks.fine is None:
            return self._with_dear_looks(passes, glanced)
        choice = self._chosen(passes, glanced)
        found = passes(choice.pose).closest(choice.pose)
        sure = pose.faced(choice.pose, choice.weighed)
        return Sought(choice.pose, choice.first, found, choice.related, sure, glanced)

    def _with_dear_looks(self, passes: Callable[[Pose], Passes], glanced: FeatureStack) -> Sought:
        """Looks once at the picture as it is, and at it in its likeliest pose."""
        related = self._related(glanced)
        found = {
            turned: passes(turned).once(turned)
            for turned in dict.fromkeys([self.allowed.first, *self.allowed.likely(related, 1)])
        }
        ends, likeness = self._ends(), _likenesses(passes, found)
        weighed = {
            turned: Evidence(entry.support, ends(turned, entry.trusted), likeness[turned])
            for turned, entry in found.items()
        }
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
        working = through.resized(self.source.hw, self.target.hw)
        aligned = resample.draw(self._side(sought.pose), working, mode="bilinear")
        return alike(self.looks.posing, aligned, sought.glanced, sought.found.trusted)

    def _passes(self, target: Described) -> Callable[[Pose], Passes]:
        """Returns what tells between which pictures passes are made in a pose."""

        @cache
        def between(mirrored: bool, backwards: bool) -> Passes:
            side = self._side(Pose(mirrored))
            drawn, staying = (self.target, Described(side)) if backwards else (side, target)
            return Passes(self.looks, self.options, drawn, staying, backwards, self.seed)

        # To enlarge the target takes a look more at it, which dear extractors are spared.
        is_cheap = self.looks.fine is not None
        return lambda turned: between(turned.mirrored, is_cheap and turned.scale < 1)

    def _chosen(self, passes: Callable[[Pose], Passes], glanced: FeatureStack) -> Choice:
        """Returns the pose that is chosen of those that were aligned; one that is given is not aligned for it."""
        allowed = self.allowed

        def once(turned: Pose) -> Found:
            return passes(turned).once(turned, GLANCE)

        first = once(allowed.first)
        if allowed.given:
            return Choice(allowed.first, first, {}, self._related(glanced))
        untouched = passes(allowed.first).again(first)
        is_clear = untouched.clear
        related = self._related(glanced, is_clear=is_clear)
        seen = {} if is_clear else {turned: once(turned) for turned in allowed.contenders(related)}
        if not seen:
            return Choice(allowed.first, first, {}, related)
        ends, seen = self._ends(), {allowed.first: first} | seen
        # Ends are told by the first matches, which no map has drawn together yet.
        once_weighed = {
            turned: Evidence(found.agreement, ends(turned, passes(turned).trusted(found)))
            for turned, found in seen.items()
        }
        posed = {
            turned: untouched if turned == allowed.first else passes(turned).again(seen[turned])
            for turned in pose.promising(once_weighed, related, allowed)
        }
        likeness = _likenesses(passes, {turned: entry.found for turned, entry in posed.items()})
        weighed = {
            turned: replace(once_weighed[turned], agreement=entry.agreement, likeness=likeness[turned])
            for turned, entry in posed.items()
        }
        best = pose.chosen(weighed, related, allowed)
        return Choice(best, seen[best], once_weighed | weighed, related)

    def _ends(self) -> Callable[[Pose, Matches], float]:
        """Returns what tells how surely matches that were found in a pose join like ends of things."""
        if self.options.flip != "auto":
            return lambda turned, matches: 0.0
        source, target = self.looks.facing(self.source), self.looks.facing(self.target)

        def told(turned: Pose, matches: Matches) -> float:
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

        def drawn(turned: Pose) -> Image:
            return drawn_in(self._side(turned), turned, self.target.hw)[0]

        def looked_at(poses: Iterable[Pose]) -> dict[Pose, Tensor]:
            stacks = {turned: look.describe(drawn(allowed.drawn(turned))) for turned in poses}
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

    def _side(self, turned: Pose) -> Image:
        """Returns the source mirrored or not, which the coordinates of what is found in a pose are those of."""
        return self.source.mirrored() if turned.mirrored else self.source


def _likenesses(passes: Callable[[Pose], Passes], found: Mapping[Pose, Found]) -> dict[Pose, float]:
    """Returns how alike the pictures are through the map of each pose; a pose that is the only one is not looked at."""
    if len(found) == 1:
        return dict.fromkeys(found, 0.0)
    return {turned: passes(turned).likeness(entry) for turned, entry in found.items()}
