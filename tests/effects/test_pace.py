from itertools import groupby, pairwise

import pytest

from semcorr_cli.effects.pace import EASINGS, Moment, Pace, spread

STEPS = [k / 200 for k in range(201)]


@pytest.mark.parametrize("name", EASINGS)
def test_easings_go_from_zero_to_one_and_never_back(name: str) -> None:
    values = [EASINGS[name](t) for t in STEPS]
    assert values[0] == 0
    assert values[-1] == pytest.approx(1, abs=1e-12)
    assert all(before < after + 1e-12 for before, after in pairwise(values))


@pytest.mark.parametrize("name", ["linear", "smoothstep", "smootherstep", "cosine"])
def test_symmetric_easings_are_at_the_middle_half_way(name: str) -> None:
    for t in STEPS:
        assert EASINGS[name](t) + EASINGS[name](1 - t) == pytest.approx(1)


def test_easing_in_starts_and_easing_out_ends_at_rest() -> None:
    assert EASINGS["ease-in"](0.01) < 0.001
    assert 1 - EASINGS["ease-out"](0.99) < 0.001


PACES = [Pace(frames, hold, ping_pong) for frames in (2, 3, 10) for hold in (0, 1, 4) for ping_pong in (False, True)]


@pytest.mark.parametrize("transitions", [1, 2, 3])
@pytest.mark.parametrize("pace", PACES, ids=str)
def test_count_is_the_number_of_moments(pace: Pace, transitions: int) -> None:
    moments = list(pace.moments(transitions))
    assert pace.count(transitions) == len(moments)
    forth = transitions * (pace.frames - 1) + 1 + (transitions + 1) * pace.hold
    back = transitions * (pace.frames - 1) - 1 + (transitions - 1) * pace.hold
    assert len(moments) == forth + (back if pace.ping_pong else 0)


def stills(moments: list[Moment]) -> list[tuple[float, int]]:
    """Returns (picture, frames) of every run of frames that show a picture itself, as a film in a loop is seen."""
    places = [moment.transition + moment.t for moment in moments]
    runs = [(place, len(list(run))) for place, run in groupby(places)]
    if runs[0][0] == runs[-1][0]:
        runs[0] = (runs[0][0], runs[0][1] + runs.pop()[1])
    return [(place, length) for place, length in runs if place == int(place)]


@pytest.mark.parametrize("transitions", [1, 2, 3])
@pytest.mark.parametrize("pace", [pace for pace in PACES if pace.ping_pong], ids=str)
def test_there_and_back_each_picture_stands_still_for_its_one_and_the_hold(pace: Pace, transitions: int) -> None:
    forth = list(range(transitions + 1))
    seen = forth + forth[-2:0:-1]
    assert stills(list(pace.moments(transitions))) == [(place, 1 + pace.hold) for place in seen]


@pytest.mark.parametrize("transitions", [1, 2, 3])
@pytest.mark.parametrize("pace", [pace for pace in PACES if not pace.ping_pong], ids=str)
def test_shared_pictures_are_shown_once(pace: Pace, transitions: int) -> None:
    places = [moment.transition + moment.t for moment in pace.moments(transitions)]
    assert places == sorted(places)
    for picture in range(transitions + 1):
        assert places.count(picture) == 1 + pace.hold


@pytest.mark.parametrize("transitions", [1, 2, 3])
@pytest.mark.parametrize("ping_pong", [False, True])
@pytest.mark.parametrize("hold", [0, 3])
def test_a_film_lasts_as_many_frames_as_it_is_asked_to(transitions: int, ping_pong: bool, hold: int) -> None:
    for count in (40, 41, 60, 100):
        found = Pace.lasting(count, transitions, hold, ping_pong=ping_pong)
        assert found is not None
        assert abs(found.count(transitions) - count) <= transitions * (1 + ping_pong) / 2
    assert Pace.lasting(60, 1) == Pace(60)
    assert Pace.lasting(5, 1, hold=10) is None


@pytest.mark.parametrize("transitions", [1, 2, 3])
def test_spread_moments_lie_at_equal_distances(transitions: int) -> None:
    places = [moment.transition + moment.t for moment in spread(transitions, 7)]
    assert places == pytest.approx([k * transitions / 6 for k in range(7)])
    assert all(0 <= moment.t <= 1 for moment in spread(transitions, 7))


def test_moments_of_a_short_film() -> None:
    assert list(Pace(3, 1).moments(2)) == [
        Moment(0, 0.0),
        Moment(0, 0.0),
        Moment(0, 0.5),
        Moment(0, 1.0),
        Moment(0, 1.0),
        Moment(1, 0.5),
        Moment(1, 1.0),
        Moment(1, 1.0),
    ]


@pytest.mark.parametrize("transitions", [1, 2])
def test_the_way_back_is_the_way_forth_reversed(transitions: int) -> None:
    forth, both = (list(Pace(6, 0, ping_pong).moments(transitions)) for ping_pong in (False, True))
    assert both[: len(forth)] == forth
    assert both[len(forth) :] == forth[-2:0:-1]
