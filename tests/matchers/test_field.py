import math
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from semcorr_cli.core import coords, resample
from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Verdict
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import field as fields
from semcorr_cli.matchers import nearest, passes, pose, search, smooth
from semcorr_cli.matchers.looks import FieldOptions, Look, Looks
from semcorr_cli.session import FACING, POSING, Session, SessionOptions
from semcorr_cli.settings import Settings
from tests.specimens import Field, cut, flat, mapped, middle, picture

WHOLE, PART = (200, 240), (180, 210)
SHIFT = torch.tensor([15.0, 10.0])

NOWHERE = Settings(weights=Path("nowhere"), cache=Path("nowhere"), cache_limit=0, offline=True)


def session(features: str = "builtin", **options: object) -> Session:
    chosen = SessionOptions(features, device="cpu", cache=False, field=FieldOptions(**options))
    return Session(chosen, NOWHERE)


@cache
def whole() -> Image:
    return picture(WHOLE)


@cache
def parts() -> tuple[Image, Image]:
    """Two parts of one picture, the second one 15 pixels to the right and 10 below."""
    return cut(whole(), 0, 0, PART), cut(whole(), 10, 15, PART)


@cache
def there_and_back() -> tuple[Correspondence, Correspondence]:
    first, second = parts()
    return session(passes=3).correspond(first, second), session(passes=3).correspond(second, first)


@cache
def turned_over() -> Correspondence:
    """The whole picture found in its mirrored upper left part."""
    return session(passes=2).correspond(whole(), parts()[0].mirrored())


def over_the_canvas(warp: Warp) -> torch.Tensor:
    return coords.pixel_centres(warp.target_hw)[::4, ::4].reshape(-1, 2)


def error(warp: Warp, truth: Field) -> float:
    """Returns the mean distance from the truth, where that lies in the source, as a share of the source's side."""
    xy = over_the_canvas(warp)
    true = truth(xy)
    seen = ((true > 0) & (true < coords.wh(warp.source_hw, true))).all(dim=-1)
    return float((warp.at(xy[seen]) - true[seen]).norm(dim=-1).mean()) / max(warp.source_hw)


def well_formed(found: Correspondence, source: Image, target: Image) -> None:
    for warp in (found.warp, found.forward):
        assert bool(warp.nodes.isfinite().all())
        assert float(warp.determinants().min()) > 0
        assert warp.mirrored == found.pose.mirrored
        assert bool(((warp.confidence >= 0) & (warp.confidence <= 1)).all())
    assert (found.warp.source_hw, found.warp.target_hw) == (source.hw, target.hw)
    assert (found.forward.source_hw, found.forward.target_hw) == (target.hw, source.hw)
    matches = found.matches
    assert (matches.source_hw, matches.target_hw) == (source.hw, target.hw)
    assert len(matches) == found.quality.signs.matches
    assert bool((matches.score.diff() <= 0).all())
    assert bool((matches.score >= smooth.MIN_SCORE).all())


def test_a_picture_corresponds_to_itself_point_by_point() -> None:
    found = session().correspond(whole(), whole())
    for warp in (found.warp, found.forward):
        assert float((warp.at(over_the_canvas(warp)) - over_the_canvas(warp)).norm(dim=-1).max()) < 0.5
    assert not found.pose.mirrored
    assert found.pose.still
    assert found.quality.verdict is Verdict.GOOD
    assert float(found.warp.confidence.min()) > 0.9
    well_formed(found, whole(), whole())


def test_a_shift_is_recovered_both_ways() -> None:
    there, back = there_and_back()
    assert error(there.warp, lambda xy: xy + SHIFT) < 0.02
    assert error(there.forward, lambda xy: xy - SHIFT) < 0.02
    assert error(back.warp, lambda xy: xy - SHIFT) < 0.02
    assert not there.pose.mirrored
    assert there.quality.verdict is Verdict.GOOD
    well_formed(there, *parts())


def test_the_same_thing_looks_alike_where_it_is_aligned_mirrored_or_not() -> None:
    other = session(passes=2, flip="never").correspond(whole(), picture(PART, 5)).quality.signs
    for found, lead in ((there_and_back()[0], 0.09), (turned_over(), 0.15)):
        assert found.quality.signs.likeness > 0.9
        assert found.quality.signs.likeness > other.likeness + lead
        assert found.quality.signs.first_inliers > other.first_inliers
    assert other.facing == 1


def test_matches_lie_on_the_map() -> None:
    there, _ = there_and_back()
    distance = (there.warp.at(there.matches.target) - there.matches.source).norm(dim=-1)
    assert float(distance.median()) < 1.5
    assert float((there.matches.source - there.matches.target - SHIFT).norm(dim=-1).median()) < 1.5


def test_swapping_the_pictures_inverts_the_map() -> None:
    there, back = there_and_back()
    xy = over_the_canvas(there.warp)
    between = there.warp.at(xy)
    trusted = (there.warp.confidence_at(xy) > 0.5) & (back.warp.confidence_at(between) > 0.5)
    assert float(trusted.float().mean()) > 0.6
    distance = (back.warp.at(between[trusted]) - xy[trusted]).norm(dim=-1) / max(PART)
    assert float(distance.mean()) < 0.015
    assert float(distance.quantile(0.9)) < 0.03


def test_both_directions_of_one_field_are_inverse_where_it_is_trusted() -> None:
    there, _ = there_and_back()
    xy = over_the_canvas(there.warp)
    trusted = there.warp.confidence_at(xy) > 0.5
    distance = (there.forward.at(there.warp.at(xy)) - xy)[trusted].norm(dim=-1) / max(PART)
    assert float(distance.mean()) < 0.005


def test_a_change_of_scale_is_recovered() -> None:
    centre = coords.wh(WHOLE, SHIFT) / 2

    def truth(xy: torch.Tensor) -> torch.Tensor:
        return (xy - centre) / 1.2 + centre + torch.tensor([-6.0, 4.0])

    enlarged = resample.draw(whole(), mapped(truth, WHOLE, WHOLE))
    found = session(passes=2).correspond(whole(), enlarged)
    assert error(found.warp, truth) < 0.02
    well_formed(found, whole(), enlarged)


@pytest.mark.parametrize(("turn", "mirrored"), [(0.0, False), (-0.6, False), (0.3, True)])
def test_a_target_that_is_small_is_enlarged_to_be_matched(turn: float, mirrored: bool) -> None:
    cosine, sine = math.cos(turn) / 0.4, math.sin(turn) / 0.4
    linear, place = torch.tensor([[cosine, sine], [-sine, cosine]]), torch.tensor([150.0, 70.0])
    linear = linear @ torch.diag(torch.tensor([-1.0 if mirrored else 1.0, 1.0]))

    def truth(xy: torch.Tensor) -> torch.Tensor:
        return (xy - place) @ linear + coords.wh(WHOLE, xy) / 2

    warp = mapped(truth, WHOLE, WHOLE)
    drawn = resample.draw(whole(), warp)
    small = Image(torch.lerp(torch.full_like(drawn.rgb, 0.5), drawn.rgb, resample.inside(warp.rows(0, 200), WHOLE)))
    found = session(passes=0).correspond(whole(), small)
    assert found.pose.scale < 1
    assert found.pose.mirrored == mirrored
    # The source, shrunk to a few cells, is found to 0.03 to 0.06 of its side.
    assert error(found.warp, truth) < 0.015
    well_formed(found, whole(), small)


def test_a_mirrored_source_is_recognised_and_the_map_composed() -> None:
    found = turned_over()
    assert found.pose.mirrored
    assert error(found.warp, lambda xy: coords.mirror_points(xy, PART)) < 0.02
    assert error(found.forward, lambda xy: coords.mirror_points(xy, PART)) < 0.02
    expected = coords.mirror_points(found.matches.target, PART)
    assert float((found.matches.source - expected).norm(dim=-1).median()) < 1.5
    well_formed(found, whole(), parts()[0])


def test_flip_never_keeps_the_source_as_it_is() -> None:
    target = parts()[0].mirrored()
    found = session(flip="never").correspond(whole(), target)
    assert not found.pose.mirrored
    assert found.quality.signs.support < turned_over().quality.signs.support
    well_formed(found, whole(), target)


@pytest.mark.parametrize(("turns", "angle"), [(1, -90), (2, 180)])
def test_a_picture_on_its_side_or_head_is_put_upright(turns: int, angle: float) -> None:
    lying = replace(whole(), rgb=whole().rgb.rot90(turns, (1, 2)).contiguous(), digest=f"{turns} quarters")
    found = session(flip="never", passes=2).correspond(lying, whole())
    assert found.pose == Pose(angle=angle)
    h, w = WHOLE

    def truth(xy: torch.Tensor) -> torch.Tensor:
        x, y = xy.unbind(dim=-1)
        return torch.stack([y, w - x] if turns == 1 else [w - x, h - y], dim=-1)

    assert error(found.warp, truth) < 0.02
    well_formed(found, lying, whole())


def test_what_looks_most_alike_once_aligned_has_a_say_in_the_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    assert turned_over().pose.mirrored
    monkeypatch.setattr(pose, "PROMISING", 1e9)
    monkeypatch.setattr(pose, "LIKENESS", -1e3)  # the least alike wins
    assert not session(rotate="never", passes=0).correspond(whole(), parts()[0].mirrored()).pose.mirrored


def test_flip_always_mirrors_even_the_same_picture() -> None:
    found = session(flip="always", rotate="never", passes=1).correspond(whole(), whole())
    assert found.pose.mirrored
    well_formed(found, whole(), whole())


@pytest.mark.parametrize("which", ["source", "target", "both"])
@pytest.mark.parametrize("features", ["builtin", "sift"])
def test_a_blank_picture_is_no_crash_and_no_good_match(features: str, which: str) -> None:
    grey, textured = flat((120, 150), 0.5), picture((130, 110))
    source, target = (textured if which == "target" else grey), (textured if which == "source" else grey)
    found = session(features, passes=1).correspond(source, target)
    well_formed(found, source, target)
    if features == "sift":
        assert found.quality.verdict is Verdict.POOR
        assert found.quality.reasons
        assert float(found.warp.confidence.mean()) < 0.1
    elif which != "both":  # the network sees where the rim is, by which two blank pictures do correspond
        assert found.quality.verdict is not Verdict.GOOD
        assert found.quality.reasons


@pytest.mark.parametrize("plane", ["mask", "alpha"])
def test_masks_and_alpha_say_where_to_look(plane: str) -> None:
    left = torch.zeros(1, *WHOLE)
    left[:, :, :120] = 1
    source, target = replace(whole(), mask=left), replace(whole(), **{plane: middle(WHOLE)})
    found = session(rotate="never").correspond(source, target)
    cell = 240 / 40
    assert len(found.matches) > 100
    assert float(found.matches.source[:, 0].max()) < 120 + cell
    low, high = found.matches.target.aminmax(dim=0)
    assert bool((low > torch.tensor([60.0, 50.0]) - cell).all())
    assert bool((high < torch.tensor([180.0, 150.0]) + cell).all())
    if plane == "mask":  # what is transparent changes how its neighbours look, what is masked does not
        assert float((found.matches.source - found.matches.target).norm(dim=-1).median()) < 2


def test_a_mask_of_nothing_is_poor_and_no_crash() -> None:
    nothing = replace(parts()[0], mask=torch.zeros(1, *PART))
    found = session(rotate="never").correspond(nothing, parts()[1])
    assert (len(found.matches), found.quality.verdict) == (0, Verdict.POOR)
    assert float(found.warp.confidence.max()) == 0
    xy = over_the_canvas(found.warp)
    assert torch.allclose(found.warp.at(xy), xy, atol=1e-3)


def test_two_runs_give_the_same_bytes() -> None:
    source, target = picture((140, 170), 1), picture((160, 120), 2)
    first, second = (session().correspond(source, target) for _ in range(2))
    for a, b in ((first.warp, second.warp), (first.forward, second.forward)):
        assert torch.equal(a.nodes, b.nodes)
        assert torch.equal(a.confidence, b.confidence)
    assert torch.equal(first.matches.source, second.matches.source)
    assert torch.equal(first.matches.score, second.matches.score)
    assert (first.quality.probability, first.pose) == (second.quality.probability, second.pose)


@pytest.mark.parametrize(
    ("source_hw", "target_hw"), [((200, 240), (120, 300)), ((90, 80), (560, 520))], ids=["other shape", "other size"]
)
def test_sizes_and_shapes_may_differ(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> None:
    content = picture((240, 240)).rgb[None]
    source, target = (
        Image(interpolate(content, size=hw, mode="bicubic", antialias=True)[0].clamp(0, 1))
        for hw in (source_hw, target_hw)
    )
    found = session(passes=2).correspond(source, target)
    assert error(found.warp, lambda xy: coords.resize_points(xy, target_hw, source_hw)) < 0.02
    assert error(found.forward, lambda xy: coords.resize_points(xy, source_hw, target_hw)) < 0.02
    well_formed(found, source, target)


def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[FeatureMap, FeatureMap]], list[int]]:
    """Returns lists of the maps that are matched and of the numbers of rows that are fitted to, from now on."""
    maps: list[tuple[FeatureMap, FeatureMap]] = []
    rows: list[int] = []

    def match(source: FeatureMap, target: FeatureMap, options: nearest.NearestOptions) -> nearest.CycleMatches:
        maps.append((source, target))
        return matched(source, target, options)

    def fit(matches: Matches, options: smooth.SmoothOptions, generator: torch.Generator) -> smooth.SmoothFit:
        rows.append(len(matches))
        return fitted(matches, options, generator)

    matched, fitted = nearest.match, smooth.fit
    monkeypatch.setattr(nearest, "match", match)
    monkeypatch.setattr(smooth, "fit", fit)
    return maps, rows


@pytest.mark.parametrize("flip", ["never", "auto"])
def test_fine_grids_are_matched_in_full_once_the_pose_is_known(flip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, _ = watched(monkeypatch)
    monkeypatch.setattr(search, "GLANCE", 12)
    monkeypatch.setattr(passes, "GLANCE", 12)
    found = session(passes=0, flip=flip, rotate="never").correspond(*parts())
    assert error(found.warp, lambda xy: xy + SHIFT) < 0.02
    *before, in_full, in_the_other_frame = [max(*source.hw, *target.hw) for source, target in maps]
    assert {*before, in_the_other_frame} == {12}
    assert in_full > 12


def test_one_map_is_fitted_to_what_is_found_in_the_frame_of_either_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, rows = watched(monkeypatch)
    found = session(passes=0, flip="never", rotate="never").correspond(whole(), parts()[1])
    assert [target.image_hw for _, target in maps] == [PART, PART, PART, WHOLE]
    glanced, first, second, turned_round, joined, back = rows
    assert glanced == turned_round == first
    assert joined == back > second + 0.5 * first
    assert error(found.warp, lambda xy: xy + SHIFT) < 0.02
    assert error(found.forward, lambda xy: xy - SHIFT) < 0.02


def asked_for(monkeypatch: pytest.MonkeyPatch, count: int) -> list[tuple[bool, bool, float]]:
    """Returns how two parts of one picture are matched in one pose: hubs, what is common, and the temperature."""
    asked: list[nearest.NearestOptions] = []

    def match(source: FeatureMap, target: FeatureMap, options: nearest.NearestOptions) -> nearest.CycleMatches:
        asked.append(options)
        return matched(source, target, options)

    matched = nearest.match
    monkeypatch.setattr(nearest, "match", match)
    session(passes=count, flip="never", rotate="never").correspond(*parts())
    return [(options.hubs, options.common, options.temperature) for options in asked]


def test_what_two_pictures_share_hides_no_places_unless_they_show_the_very_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    glanced, first, *aligned, last = asked_for(monkeypatch, 2)
    assert glanced == last == (True, True, 0.02)
    assert first == (False, True, 0.02)
    assert aligned == [(True, False, 0.75 * 0.02)] * 2


def test_two_things_that_are_but_alike_are_told_apart_in_further_passes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "VERY_SAME_INLIERS", 2.0)
    whole, *apart = asked_for(monkeypatch, 3)[4:]
    assert whole == (True, True, 0.02)
    assert apart == [(True, False, 0.02)] * 2


def test_a_pose_that_is_not_promising_is_not_chosen_the_untouched_one_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "CLEAR_AGREEMENT", 2.0)
    monkeypatch.setattr(pose.Allowed, "contenders", lambda allowed, related: [Pose(True)])
    monkeypatch.setattr(pose, "promising", lambda weighed, related, allowed: [Pose(True)])
    assert session(passes=0).correspond(*parts()).pose == Pose(True)


def test_a_pose_that_is_given_is_not_aligned_to_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(passes.Passes, "again")
    for flip, rotate in (("never", "never"), ("always", "30")):
        assert pose.Allowed(flip, rotate).given
        found = session(passes=0, flip=flip, rotate=rotate).correspond(*parts()).pose
        assert (found.mirrored, found.angle) == (flip == "always", 0.0 if rotate == "never" else 30.0)
    for flip, rotate in (("auto", "never"), ("never", "auto"), ("auto", "30")):
        assert not pose.Allowed(flip, rotate).given


def test_cells_beside_a_turned_source_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, rows = watched(monkeypatch)
    session(passes=0, flip="never", rotate="45").correspond(*parts())
    # A picture of 180 × 210 turned by 45° covers 77 % of its own canvas.
    source, target = (len(features.cells()) for features in maps[0])
    assert 0.7 < (rows[0] - target) / source < 0.85


@pytest.mark.parametrize(
    ("flip", "rotate", "most"),
    [("never", "never", 2), ("always", "never", 2), ("auto", "never", 3), ("auto", "auto", 3)],
)
def test_a_dear_extractor_describes_the_likeliest_pose_alone(flip: str, rotate: str, most: int) -> None:
    described: list[Image] = []

    def describe(image: Image) -> FeatureStack:
        described.append(image)
        return session().describe(image)

    def compare(source: FeatureStack, target: FeatureStack) -> tuple[FeatureMap, FeatureMap]:
        return source.finished(), target.finished()

    posing, facing = (partial(session().describe, look=look) for look in (POSING, FACING))
    first, second = parts()
    options = FieldOptions(flip=flip, rotate=rotate)
    found = fields.correspond(
        first, second.mirrored(), Looks(Look(describe, compare), Look(posing, compare), facing, None), options
    )
    assert len(described) <= most
    assert found.pose.mirrored == (flip != "never")


def test_no_turns_means_no_turned_pose() -> None:
    found = session(rotate="never", passes=0, flip="never").correspond(*parts())
    assert (found.pose.mirrored, found.pose.still) == (False, True)
    assert error(found.warp, lambda xy: xy + SHIFT) < 0.05
