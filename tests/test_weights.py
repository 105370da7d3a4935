"""Pulling and verifying weights against a server that speaks the hub's protocol."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from semcorr_cli import extractors, weights
from semcorr_cli.errors import ExitCode, MissingError, OutputError
from semcorr_cli.extractors.models import Model, WeightsFile, known_as, table
from semcorr_cli.extractors.spec import given_places
from semcorr_cli.io import weights as files
from semcorr_cli.settings import Settings
from tests.fake_hub import FakeHub, git_sha1, serving

LARGE = bytes(range(256)) * 4000
SMALL = b'{"model_type": "dinov2"}'


def model(**changes: object) -> Model:
    known = (
        WeightsFile("model.safetensors", len(LARGE), hashlib.sha256(LARGE).hexdigest()),
        WeightsFile("config.json", None, ""),
    )
    return replace(Model("some", "dino", "owner/name", "main", "MIT", known), **changes)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    content = {"owner/name/model.safetensors": LARGE, "owner/name/config.json": SMALL}
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # what is lost when a connection breaks
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(FakeHub(content, large={"owner/name/model.safetensors"})) as server:
        yield server


@pytest.fixture
def settings(hub: FakeHub, tmp_path: Path) -> Settings:
    return Settings(tmp_path / "weights", tmp_path / "cache", 10**9, offline=False, hub=hub.address)


def pull(settings: Settings, of: Model | None = None, **source: str) -> list[Path]:
    return weights.pull(of or model(), settings, lambda count: None, **source)


def left(settings: Settings) -> list[str]:
    """Returns the files that lie where extractors look for them."""
    found = [path for path in settings.weights.rglob("*") if path.is_file() and files.PARTS not in path.parts]
    return sorted(path.name for path in found if path.name != weights.DIGESTS)


def parts(settings: Settings) -> list[Path]:
    return list((settings.weights / files.PARTS).glob("*"))


def test_what_is_pulled_is_there_whole_and_verified(hub: FakeHub, settings: Settings) -> None:
    come: list[int] = []
    found = weights.pull(model(), settings, come.append)
    assert [path.name for path in found] == ["model.safetensors", "config.json"]
    assert found[0].read_bytes() == LARGE
    assert found[1].read_bytes() == SMALL
    assert sum(come) == len(LARGE) + len(SMALL)
    assert weights.missing(model(), settings) == []
    assert weights.verify(model(), settings) == {"model.safetensors": "ok", "config.json": "ok"}
    assert parts(settings) == []


def test_what_is_here_is_not_asked_for_again(hub: FakeHub, settings: Settings) -> None:
    pull(settings)
    asked = len(hub.asked)
    assert pull(settings) == []
    assert pull(replace(settings, offline=True)) == []
    assert len(hub.asked) == asked


def test_the_users_token_goes_to_the_hub_alone(hub: FakeHub, settings: Settings) -> None:
    pull(settings)
    for _, path, _, token in hub.asked:
        assert ("hf_secret" in token) == ("/store/" not in path)


def test_a_connection_cut_in_the_middle_is_taken_up_again(hub: FakeHub, settings: Settings) -> None:
    hub.cuts = [300_000, 300_000]
    pull(settings)
    assert [start for path, start in hub.gets() if "/store/" in path] == ["", "bytes=300000-", "bytes=600000-"]
    assert left(settings) == ["config.json", "model.safetensors"]


def test_what_an_attempt_that_failed_has_brought_is_not_asked_for_again(hub: FakeHub, settings: Settings) -> None:
    hub.cuts = [300_000] + 20 * [0]
    with pytest.raises(MissingError, match="could not be had") as refused:
        pull(settings)
    assert refused.value.exit_code == ExitCode.MISSING
    assert left(settings) == []
    assert [path.stat().st_size for path in parts(settings)] == [300_000]
    hub.cuts = []
    pull(settings)
    assert [start for path, start in hub.gets() if "/store/" in path][-1] == "bytes=300000-"
    assert weights.verify(model(), settings)["model.safetensors"] == "ok"


def test_wrong_content_is_thrown_away(hub: FakeHub, settings: Settings) -> None:
    hub.wrong = {"owner/name/model.safetensors"}
    with pytest.raises(MissingError, match="wrong content") as refused:
        pull(settings)
    assert refused.value.hint is not None
    assert left(settings) == []
    assert parts(settings) == []
    hub.wrong = set()
    pull(settings)
    assert weights.verify(model(), settings)["model.safetensors"] == "ok"


def test_a_mirror_with_other_content_is_thrown_away(hub: FakeHub, settings: Settings) -> None:
    hub.files |= {"mirror/name/model.safetensors": LARGE[:-1] + b"!", "mirror/name/config.json": SMALL}
    with pytest.raises(MissingError, match="wrong content"):
        pull(settings, repository="mirror/name")
    hub.files["mirror/name/model.safetensors"] = LARGE
    pull(settings, repository="mirror/name", revision="v2")
    assert left(settings) == ["config.json", "model.safetensors"]
    assert any("/mirror/name/resolve/v2/" in path for _, path, _, _ in hub.asked)


def test_files_without_a_known_digest_are_held_to_the_hubs_word(hub: FakeHub, settings: Settings) -> None:
    hub.wrong = {"owner/name/config.json"}
    with pytest.raises(MissingError, match="wrong content"):
        pull(settings)
    hub.wrong = set()
    pull(settings)
    place = settings.weights / model().folder / "config.json"
    assert git_sha1(place.read_bytes()) == git_sha1(SMALL)
    place.write_bytes(SMALL.replace(b"2", b"3"))
    assert weights.verify(model(), settings)["config.json"] == "damaged"


def test_files_of_github_are_held_to_gits_own_digest(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GITHUB", hub.address)
    head = model(host="github", files=(WeightsFile("model.safetensors", None, git_sha1(LARGE)),))
    hub.wrong = {"owner/name/model.safetensors"}
    with pytest.raises(MissingError, match="wrong content"):
        pull(settings, head)
    hub.wrong = set()
    pull(settings, head)
    assert weights.verify(head, settings) == {"model.safetensors": "ok"}
    assert all(path == "/owner/name/main/model.safetensors" and not token for _, path, _, token in hub.asked)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"repository": "gone/name"}, "gone/name on .* is not there", "--from"),
        ({"repository": "gated/name"}, "is gated", "hf auth login"),
        ({"files": (WeightsFile("other.bin", None, ""),)}, r"has no other\.bin", ""),
    ],
)
def test_what_cannot_be_had_is_said_with_what_to_do(
    hub: FakeHub, settings: Settings, change: dict[str, object], message: str, hint: str
) -> None:
    hub.gated = {"gated/name"}
    with pytest.raises(MissingError, match=message) as refused:
        pull(settings, model(**change))
    assert hint in (refused.value.hint or "")
    assert "\n" not in refused.value.message
    assert left(settings) == []


def test_a_hub_that_is_not_there_is_said(settings: Settings) -> None:
    with pytest.raises(MissingError, match="could not be had"):
        pull(replace(settings, hub="http://127.0.0.1:9"))


def test_offline_means_offline(hub: FakeHub, settings: Settings) -> None:
    with pytest.raises(MissingError, match="the network may not be used"):
        pull(replace(settings, offline=True))
    assert hub.asked == []


def test_a_folder_that_cannot_be_written_is_an_output_error(settings: Settings) -> None:
    settings.weights.write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        pull(settings)
    assert settings.weights.read_text() == "in the way"


def test_verifying_tells_missing_from_damaged_from_unknown(settings: Settings) -> None:
    pull(settings)
    folder = settings.weights / model().folder
    (folder / "model.safetensors").write_bytes(LARGE[:-1])
    (folder / weights.DIGESTS).write_text("no table at all")
    assert weights.verify(model(), settings) == {"model.safetensors": "damaged", "config.json": "unknown"}
    (folder / "config.json").unlink()
    assert weights.verify(model(), settings)["config.json"] == "missing"


def test_every_row_of_the_table_is_whole() -> None:
    for name, entry in table().items():
        assert entry.name == name
        assert entry.role in ("dino", "diffusion", "unet", "adapter")
        assert entry.licence
        assert entry.repository.count("/") == 1
        assert entry.files
        for file in entry.files:
            assert file.size is None or file.size > 0
            assert len(file.digest) in (0, 40, 64)
            assert not Path(file.path).is_absolute()
        assert not entry.main or any(file.path.startswith(entry.main) for file in entry.files)
    assert {model.name for spec in extractors.SPECS for model in spec.models} <= set(table())


def test_repositories_that_are_gone_lead_to_what_took_their_place() -> None:
    for gone, names in (
        ("stabilityai/stable-diffusion-2-1", {"sd21", "sd21-unet"}),
        ("runwayml/stable-diffusion-v1-5", {"sd15", "sd15-unet"}),
        ("facebook/dinov2-base", {"dinov2-base"}),
        ("diy-sc", {"diy-sc"}),
        ("no/such", set()),
    ):
        assert {entry.name for entry in known_as(gone)} == names


def test_pulled_weights_are_what_extractors_are_handed(settings: Settings) -> None:
    spec = extractors.find("cleandift")
    assert weights.local(spec, {}, settings) is None
    for entry in spec.models:
        for file in entry.files:
            place = settings.weights / entry.folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"...")
    found = weights.local(spec, {}, settings)
    assert found is not None
    assert set(found) == {"diffusion", "unet"}
    assert (found["diffusion"] / "vae" / "config.json").is_file()
    assert found["unet"].name == "cleandift_sd21_unet.safetensors"
    assert all(place.exists() for place in found.values())


def test_given_weights_by_family(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    pipeline, file, dino = tmp_path / "pipeline", tmp_path / "unet.safetensors", tmp_path / "dino"
    assert given_places("dino", {"dino": dino, "diffusion": pipeline}) == {"dino": dino}
    assert given_places("diffusion", {"diffusion": pipeline}) == {"diffusion": pipeline, "unet": pipeline / "unet"}
    assert given_places("diffusion", {"diffusion": file}) == {"unet": file}
    both = {"dino": dino, "diffusion": pipeline, "unet": pipeline / "unet"}
    assert given_places("hybrid", {"dino": dino, "diffusion": pipeline}) == both
    whole = given_places("hybrid", {"hybrid": tmp_path})
    assert whole == {"dino": tmp_path / "dino", "diffusion": tmp_path, "unet": tmp_path / "unet"}
    (tmp_path / "diffusion").mkdir()
    apart = tmp_path / "diffusion"
    assert given_places("hybrid", {"hybrid": tmp_path})["diffusion"] == apart
    assert given_places("hybrid", {"hybrid": tmp_path, "dino": file})["dino"] == file
    assert given_places("builtin", {"builtin": file}) == {"builtin": file}
    assert given_places("sift", {"dino": dino}) == {}
