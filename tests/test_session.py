from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semcorr_cli import extractors
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import DeviceError, ExitCode, MissingError, UsageError
from semcorr_cli.extractors import SPECS
from semcorr_cli.extractors.base import Extractor
from semcorr_cli.extractors.models import Model, WeightsFile
from semcorr_cli.extractors.spec import ExtractorSpec
from semcorr_cli.session import LOOKS, Session, SessionOptions
from semcorr_cli.settings import Settings
from tests.specimens import middle, picture

HW = (96, 120)

SIFT = next(spec for spec in SPECS if spec.name == "sift")  # needs no weights

FILE = WeightsFile("model.safetensors", 3, "")
MODEL = Model("owner-name", "dino", "owner/name", "0123456789abcdef", "MIT", (FILE,))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(weights=tmp_path / "weights", cache=tmp_path / "cache", cache_limit=10**9, offline=True)


@pytest.fixture
def heavy(monkeypatch: pytest.MonkeyPatch) -> ExtractorSpec:
    """A row, preferred to what is always here, whose weights are not on this disk; SIFT stands in for the network."""
    spec = replace(SIFT, name="dino", models=(MODEL,), cheap=False)
    monkeypatch.setattr(extractors, "SPECS", (spec, *(row for row in SPECS if row.family != "dino")))
    return spec


def named(image: Image, digest: str = "cafe") -> Image:
    return replace(image, digest=digest)


def opened(settings: Settings, **options: object) -> Session:
    return Session(SessionOptions(device="cpu", **{"features": "sift", **options}), settings)


def test_an_unknown_extractor_is_a_usage_error_that_names_the_known_ones(settings: Settings) -> None:
    with pytest.raises(UsageError, match="clip-9000") as refused:
        opened(settings, features="clip-9000")
    assert refused.value.hint is not None
    for name in ("auto", *extractors.names()):
        assert name in refused.value.hint


@pytest.mark.usefixtures("heavy")
def test_missing_weights_say_what_to_type(settings: Settings) -> None:
    with pytest.raises(MissingError) as refused:
        opened(settings, features="dino")
    assert refused.value.exit_code == ExitCode.MISSING == 4
    assert refused.value.hint == "semcorr models pull dino"


@pytest.mark.usefixtures("heavy")
def test_auto_takes_the_first_row_whose_weights_are_there(settings: Settings) -> None:
    assert opened(settings, features="auto").spec.name == "builtin"
    place = settings.weights / MODEL.folder / FILE.path
    place.parent.mkdir(parents=True)
    place.write_bytes(b"...")
    assert opened(settings, features="auto").spec.name == "dino"
    assert opened(settings, features="dino").spec.name == "dino"


@pytest.mark.usefixtures("heavy")
def test_local_weights_take_the_place_of_pulled_ones(settings: Settings, tmp_path: Path) -> None:
    local = tmp_path / "own.safetensors"
    with pytest.raises(MissingError, match=r"own\.safetensors"):
        opened(settings, features="dino", weights={"dino": local})
    local.write_bytes(b"...")
    assert opened(settings, features="dino", weights={"dino": local}).spec.name == "dino"
    assert opened(settings, features="auto", weights={"dino": local}).spec.name == "dino"


def test_weights_for_no_extractor_are_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        opened(settings, weights={"nonsense": tmp_path})


def test_auto_picks_a_row_of_the_table(settings: Settings) -> None:
    assert opened(settings, features="auto").spec in SPECS


NO_DEVICES = [
    "warp9",
    "",
    "CPU",
    "meta",
    "cuda:x",
    pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")),
    pytest.param("mps", marks=pytest.mark.skipif(torch.backends.mps.is_available(), reason="has a GPU")),
    "cuda:99",
]


@pytest.mark.parametrize("name", NO_DEVICES)
def test_a_device_that_cannot_be_used_is_an_error_at_once(settings: Settings, name: str) -> None:
    with pytest.raises(DeviceError) as refused:
        Session(SessionOptions("sift", device=name), settings)
    assert refused.value.exit_code == ExitCode.DEVICE == 5
    assert refused.value.hint is not None
    assert "\n" not in refused.value.message


def test_auto_finds_some_device(settings: Settings) -> None:
    session = Session(SessionOptions("sift", device="auto"), settings)
    assert float(torch.ones(1, device=session.device)) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("auto", torch.float32), ("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)],
)
def test_dtypes_by_name(settings: Settings, name: str, expected: torch.dtype) -> None:
    assert opened(settings, dtype=name).dtype == expected


@pytest.mark.parametrize("side", [64, 160, 400])
def test_max_side_changes_the_grid(settings: Settings, side: int) -> None:
    (found,) = opened(settings, max_side=side).features(picture(HW))
    assert max(found.hw) == round(side / SIFT.stride)
    assert found.image_hw == HW


def test_max_side_reaches_the_fine_features_too(settings: Settings) -> None:
    session = opened(settings, max_side=160)
    assert session.features(picture(HW), look="fine")[0].hw == session.features(picture(HW))[0].hw


def test_the_second_time_features_come_from_the_cache_and_are_the_same(settings: Settings) -> None:
    image = named(picture(HW))
    first, second = opened(settings), opened(settings)
    (fresh,), (stored,) = first.features(image), second.features(image)
    assert (first.cached(image), second.cached(image)) == (False, True)
    assert torch.equal(fresh.data, stored.data)
    assert fresh.image_hw == stored.image_hw
    first.features(image)
    assert not first.cached(image)  # it was not there when it was first asked for


def test_what_is_cached_is_not_described_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    image = named(picture(HW))
    opened(settings).features(image)
    session = opened(settings)
    extractor = session._extractor("coarse")

    def refuse(self: Extractor, images: object) -> list[FeatureStack]:
        raise AssertionError("described again")

    monkeypatch.setattr(type(extractor), "describe", refuse)
    assert session.features(image)[0].image_hw == HW
    with pytest.raises(AssertionError, match="described again"):
        session.features(named(image, "other"))


@pytest.mark.parametrize("change", ["picture", "side", "fine"])
def test_other_pictures_and_other_options_are_not_taken_from_the_cache(settings: Settings, change: str) -> None:
    image = named(picture(HW))
    (plain,) = opened(settings).features(image)
    if change == "picture":
        (other,) = opened(settings).features(named(picture(HW, 1), "beef"))
    else:
        look = change if change in LOOKS else "coarse"
        (other,) = opened(settings, max_side=160 if change == "side" else None).features(image, look=look)
    assert other.data.shape != plain.data.shape or not torch.equal(other.data, plain.data)


def test_pictures_without_a_name_and_sessions_without_a_cache_leave_nothing_behind(settings: Settings) -> None:
    opened(settings).features(picture(HW))
    session = opened(settings, cache=False)
    session.features(named(picture(HW)))
    session.close()
    assert not settings.cache.exists()
    assert not session.cached(named(picture(HW)))


def test_a_reduced_or_mirrored_picture_counts_as_the_file_it_comes_from(settings: Settings) -> None:
    image = named(picture(HW))
    for expected in (False, True):
        session = opened(settings)
        session.features(image.mirrored())
        assert session.cached(image) is expected


def test_the_mask_is_not_part_of_what_is_cached(settings: Settings) -> None:
    image = named(picture(HW))
    masked = replace(image, mask=middle(HW))
    opened(settings).features(masked)
    session = opened(settings)
    (everywhere,), (inside,) = session.features(image), session.features(masked)
    assert session.cached(image)
    assert everywhere.region is None
    assert inside.region is not None
    assert 0.15 < float(inside.region.float().mean()) < 0.35


def test_closing_keeps_the_cache_below_its_limit(settings: Settings) -> None:
    session = opened(replace(settings, cache_limit=0))
    session.features(named(picture(HW)))
    assert list(settings.cache.rglob("*.safetensors"))
    session.close()
    assert not list(settings.cache.rglob("*.safetensors"))


def test_a_field_is_the_same_from_cache_and_fresh(settings: Settings) -> None:
    source, target = named(picture(HW, 1), "a"), named(picture((110, 90), 2), "b")
    fresh, stored = (opened(settings, max_side=160).correspond(source, target) for _ in range(2))
    uncached = opened(settings, max_side=160, cache=False).correspond(source, target)
    for other in (stored, uncached):
        assert torch.equal(fresh.warp.nodes, other.warp.nodes)
        assert torch.equal(fresh.matches.score, other.matches.score)


def test_pictures_are_brought_to_the_device(settings: Settings) -> None:
    source, target = opened(settings).on_device(picture(HW), picture(HW, alpha=True))
    assert source.rgb.device.type == target.alpha.device.type == "cpu"


def test_turned_pictures_are_described_once_whatever_they_are_matched_with(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, targets = named(picture(HW, 1), "a"), [named(picture(HW, seed), str(seed)) for seed in (2, 3)]
    counts = []
    fields = []
    for target in targets:
        session = opened(settings, max_side=160)
        posing, seen = session._extractor("posing"), []
        monkeypatch.setattr(
            posing, "describe", lambda images, real=posing.describe, s=seen: s.append(1) or real(images)
        )
        fields.append(session.correspond(source, target))
        counts.append(len(seen))
    assert counts[0] >= 14  # both pictures, the source in eleven turns, and as it is aligned
    assert counts[1] == 2  # the target, and the source as it is aligned with it
    fresh = opened(settings, max_side=160, cache=False).correspond(source, targets[1])
    assert torch.equal(fresh.warp.nodes, fields[1].warp.nodes)


def test_pictures_described_together_ahead_are_not_described_again(settings: Settings) -> None:
    images = [named(picture(HW, seed), f"{seed:04}") for seed in range(3)]
    session = opened(settings)
    session.features(images[0])
    assert session.prepare([*images, picture(HW)]) == 2
    other = session.again()
    again = [other.features(image)[0].data for image in images]
    assert all(other.cached(image) for image in images)
    alone = [opened(settings, cache=False).features(image)[0].data for image in images]
    assert all(torch.equal(one, two) for one, two in zip(again, alone, strict=True))
    assert opened(settings, cache=False).prepare(images) == 0


def test_pictures_that_will_not_be_matched_are_described_as_they_are(settings: Settings) -> None:
    session = opened(settings, max_side=64)
    large = named(picture((40, session._field.side + 200)))
    assert session.prepare(iter([large]), is_matched=False) == 1
    session.features(large)
    assert session.cached(large)


def test_a_session_again_shares_what_is_loaded_and_counts_afresh(settings: Settings) -> None:
    first = opened(settings)
    first.features(named(picture(HW)))
    second = first.again()
    assert second._extractor("coarse") is first._extractor("coarse")
    second.features(named(picture(HW)))
    assert (first.cached(named(picture(HW))), second.cached(named(picture(HW)))) == (False, True)
