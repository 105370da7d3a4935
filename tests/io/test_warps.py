import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.errors import InputError, UsageError
from semcorr_cli.io import warps
from tests.specimens import correspondence, quality, shifted

HW = (30, 40)
INSIDE = [(0.0, 0.0), (12.5, 7.25), (39.0, 29.0)]
"""As files put them: (0, 0) at the first pixel's centre."""

PAIR = {"source": [1, 2], "target": [3, 4]}


def ours(points: list[tuple[float, float]]) -> list[list[float]]:
    return [[x + 0.5, y + 0.5] for x, y in points]


def refusal(text: str, hw: tuple[int, int] = HW) -> InputError:
    with pytest.raises(InputError) as caught:
        warps.read_points(text, hw, "source")
    assert "\n" not in caught.value.message
    return caught.value


def pairs_refusal(path: Path, content: str) -> InputError:
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        warps.read_pairs(str(path), HW, (20, 25))
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def field(source_hw: tuple[int, int] = HW, target_hw: tuple[int, int] = HW, shift: float = 0.0) -> Correspondence:
    warp = Warp.identity(source_hw, target_hw)
    warp = Warp(warp.nodes + shift, torch.tensor([[0.0, 1.0], [0.0, 1.0]]), source_hw, target_hw)
    source = torch.tensor([[0.5, 0.5], [10.25, 20.5]])
    target = torch.tensor([[1.5, 2.5], [13.0, 7.123456]])
    matches = Matches(source, target, torch.tensor([1.0, 0.25]), source_hw, target_hw)
    return Correspondence(matches, warp, Warp.identity(target_hw, source_hw), quality(2), Pose())


def encoded(suffix: str, correspondence: Correspondence, result: dict[str, object] | None = None) -> bytes:
    return warps.encode(correspondence, correspondence.matches, result or {}, suffix)


@pytest.mark.parametrize("text", ["0,0 12.5,7.25 39,29", " 0.0,0   12.5,7.25\n39,2.9e1 "])
def test_points_are_read_from_the_command_line(text: str) -> None:
    assert warps.read_points(text, HW, "source").tolist() == ours(INSIDE)


@pytest.mark.parametrize(
    "content",
    [
        "[[0, 0], [12.5, 7.25], [39, 29]]",
        '{"points": [[0, 0], [12.5, 7.25], [39, 29]]}',
        "\n  [[0, 0], [12.5, 7.25],\n [39, 29]]\n",
        "0,0\n12.5,7.25\n39,29\n",
        "x,y,name\n0,0,ear\n12.5,7.25,nose\n39,29,tail\n",
        "# of the cat\nx,y\n0, 0\n\n12.5, 7.25\n# the last one\n39, 29",
        "\ufeffx,y\r\n0,0\r\n12.5,7.25\r\n39,29\r\n",
    ],
)
def test_points_are_read_from_files_and_stdin(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "points").write_bytes(content.encode())
    assert warps.read_points(str(tmp_path / "points"), HW, "source").tolist() == ours(INSIDE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert warps.read_points("-", HW, "source").tolist() == ours(INSIDE)


@pytest.mark.parametrize("text", ["12", "1,2,3", "1;2", "nose.json", "1,2 x,y", "", "1,2 " * 2000 + "3"])
def test_text_that_is_neither_points_nor_a_file_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="neither points nor a file") as caught:
        warps.read_points(text, HW, "source")
    assert caught.value.hint is not None


@pytest.mark.parametrize("point", ["-0.51,0", "0,-0.51", "39.51,0", "0,29.51", "nan,0", "inf,0", "0,-inf"])
def test_points_outside_the_picture_are_refused_by_number(point: str, tmp_path: Path) -> None:
    assert refusal(f"0,0 {point}").message.startswith("point 2 (")
    assert "lies outside source (40×30 pixels)" in refusal(f"0,0 {point}").message
    (tmp_path / "a.csv").write_text(f"0,0\n1,1\n{point}\n")
    assert f"{tmp_path / 'a.csv'}: row 3 (" in refusal(str(tmp_path / "a.csv")).message


def test_the_rim_of_the_picture_belongs_to_it() -> None:
    rim = warps.read_points("-0.5,-0.5 39.5,29.5", HW, "source")
    assert rim.tolist() == [[0, 0], [40, 30]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[0, 0], [1, 2, 3]]", "entry 2 is not [x, y]: [1, 2, 3]"),
        ('[[0, 0], "ab"]', "entry 2 is not [x, y]"),
        ("[[0, 0], null]", "entry 2 is not [x, y]: null"),
        (f"[[0, 0], [1{'0' * 400}, 0]]", "entry 2 is not [x, y]"),
        ("[[0, 0],\n[1, }", "line 2: "),
        ('{"dots": []}', "holds no list of points"),
        ("0,0\n1,one\n", "line 2 does not hold 2 numbers: '1,one'"),
        ("x,y\nleft,right\n", "line 2 does not hold 2 numbers"),
        ("12,7o\n1,2\n", "line 1 does not hold 2 numbers"),
        ("0,0\n5\n", "line 2 does not hold 2 numbers"),
        ("x,y\n", "names no point"),
        ("[]", "names no point"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_by_line_or_entry(
    content: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "points").write_text(content)
    assert reason in refusal(str(tmp_path / "points")).message


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\x89PNG\r\n\xff\xfe")
    assert "is not a text file with points" in refusal(str(tmp_path / "a.csv")).message
    (tmp_path / "c.csv").write_text("word" * 50_000)
    assert "is not a text file with points" in refusal(str(tmp_path / "c.csv")).message
    (tmp_path / "b.csv").write_bytes(b"")
    assert "is empty" in refusal(str(tmp_path / "b.csv")).message


@pytest.mark.parametrize(
    "content",
    [
        '[{"source": [1, 2], "target": [3, 4]}, {"source": [39.5, 29.5], "target": [-0.5, 19.5], "score": 0.3}]',
        '{"matches": [{"source": [1, 2], "target": [3, 4]}, {"source": [39.5, 29.5], "target": [-0.5, 19.5]}]}',
        "1,2,3,4\n39.5,29.5,-0.5,19.5\n",
        "source_x,source_y,target_x,target_y,score\n# by hand\n1,2,3,4,0.5\n39.5,29.5,-0.5,19.5,1\n",
    ],
)
def test_pairs_set_by_hand_are_read_and_fully_trusted(content: str, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_text(content)
    pairs = warps.read_pairs(str(tmp_path / "pairs"), HW, (20, 25))
    assert pairs.source.tolist() == [[1.5, 2.5], [40, 30]]
    assert pairs.target.tolist() == [[3.5, 4.5], [0, 20]]
    assert pairs.score.tolist() == [1, 1]
    assert (pairs.source_hw, pairs.target_hw) == (HW, (20, 25))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps([PAIR, {"source": [1, 2]}]), 'entry 2 is not {"source": [x, y], "target": [x, y]}'),
        (json.dumps([PAIR, [1, 2, 3, 4]]), "entry 2 is not"),
        (json.dumps([PAIR, {"source": 1, "target": [3, 4]}]), "entry 2 is not"),
        (json.dumps([PAIR, {"source": [1, 2], "target": [25, 4]}]), "pair 2: (25, 4) lies outside the target (25×20 "),
        (json.dumps([{"source": [1, 30], "target": [2, 4]}]), "pair 1: (1, 30) lies outside the source (40×30 "),
        ('{"result": []}', "holds no list"),
        ("1,2,3,4\n1,2,3\n", "line 2 does not hold 4 numbers"),
        ("[{", "line 1: "),
        ("a,b,c,d\n", "names no pair"),
        ("[]", "names no pair"),
    ],
)
def test_pairs_that_cannot_be_read_are_refused_by_line_or_entry(content: str, reason: str, tmp_path: Path) -> None:
    assert reason in pairs_refusal(tmp_path / "pairs", content).message


def test_json_holds_the_result_and_csv_the_matches() -> None:
    correspondence = field()
    rows = warps.matches_as_json(correspondence.matches)
    assert rows == [
        {"source": [0.0, 0.0], "target": [1.0, 2.0], "score": 1.0},
        {"source": [9.75, 20.0], "target": [12.5, 6.623], "score": 0.25},
    ]
    assert json.loads(encoded(".json", correspondence, {"matches": rows, "who": "Ü"})) == {"matches": rows, "who": "Ü"}
    assert encoded(".csv", correspondence).decode().splitlines() == [
        "source_x,source_y,target_x,target_y,score",
        "0.0,0.0,1.0,2.0,1.0",
        "9.75,20.0,12.5,6.623,0.25",
    ]


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_what_is_written_is_read_back_as_pairs(suffix: str, tmp_path: Path) -> None:
    correspondence = field()
    matches = warps.matches_as_json(correspondence.matches)
    (tmp_path / "m").write_bytes(encoded(suffix, correspondence, {"matches": matches}))
    again = warps.read_pairs(str(tmp_path / "m"), HW, HW)
    assert torch.allclose(again.source, correspondence.matches.source, atol=1e-3)
    assert torch.allclose(again.target, correspondence.matches.target, atol=1e-3)


def test_queried_points_are_given_from_the_first_pixels_centre() -> None:
    found = warps.points_as_json(torch.tensor([[0.5, 0.5]]), torch.tensor([[3.0, 4.25]]), torch.tensor([0.123456]))
    assert found == [{"source": [0.0, 0.0], "target": [2.5, 3.75], "confidence": 0.1235}]


def test_npz_holds_the_map_and_the_matches_from_the_first_pixels_centre() -> None:
    correspondence = field((30, 40), (60, 80))
    with np.load(io.BytesIO(encoded(".npz", correspondence))) as file:
        held = dict(file)
    # target pixel (row 2, column 7) has its centre at (7.5, 2.5), half of which is (3.75, 1.25)
    assert held["map"].shape == (60, 80, 2)
    assert held["map"][2, 7] == pytest.approx([3.25, 0.75])
    assert held["confidence"].shape == (60, 80)
    assert held["confidence"][30, [0, 79]] == pytest.approx([0.5 / 80, 79.5 / 80], abs=1e-6)
    assert held["source"].tolist() == [[0, 0], [9.75, 20]]
    assert held["target"][0].tolist() == [1, 2]
    assert held["score"].tolist() == [1, 0.25]
    assert (held["source_hw"].tolist(), held["target_hw"].tolist()) == ([30, 40], [60, 80])
    assert {held[name].dtype for name in ("map", "confidence", "source", "target", "score")} == {np.dtype("float32")}


@pytest.mark.parametrize("hw", [(30, 40), (600, 7)])
def test_flo_holds_how_far_away_to_read(hw: tuple[int, int]) -> None:
    content = encoded(".flo", field(hw, hw, shift=2.5))
    assert content[:4] == b"PIEH"
    assert struct.unpack("<f", content[:4])[0] == 202021.25
    assert struct.unpack("<ii", content[4:12]) == (hw[1], hw[0])
    flow = np.frombuffer(content[12:], "<f4").reshape(*hw, 2)
    assert flow == pytest.approx(np.full((*hw, 2), 2.5), abs=1e-4)


def test_flo_of_standing_still_is_zero_and_of_halving_is_minus_half_the_place() -> None:
    still = np.frombuffer(encoded(".flo", field())[12:], "<f4")
    assert np.abs(still).max() < 1e-5
    halving = np.frombuffer(encoded(".flo", field((30, 40), (60, 80)))[12:], "<f4").reshape(60, 80, 2)
    centres = coords.pixel_centres((60, 80)).numpy()
    assert halving == pytest.approx(-centres / 2, abs=1e-4)


def test_points_to_edit_are_read_back_one_a_line(tmp_path: Path) -> None:
    target = torch.tensor([[4.0, 5.0], [20.0, 12.0], [30.0, 24.0]])
    field = correspondence(shifted((2.0, -1.0), HW))
    field = replace(field, matches=Matches(target, target, torch.tensor([0.9, 0.5, 0.7]), HW, HW))
    (tmp_path / "p.json").write_bytes(warps.encode_points(field, 2))
    assert len((tmp_path / "p.json").read_text().splitlines()) == 4
    again = warps.read_pairs(str(tmp_path / "p.json"), HW, HW)
    assert len(again) == 2
    assert torch.allclose(again.source, again.target + torch.tensor([2.0, -1.0]), atol=1e-3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"matches": [\n{"source": [1, 1], "target": [2, 2]},\n{"source": [1, 1]}\n]}', "line 3: entry 2"),
        ('[{"source": [1, 1], "target": [2, 2]},\n\n\n{"source": [1, 1], "target": [999, 2]}]', "line 4: pair 2"),
        ('{"about": [1],\n "matches":\n[{"source": 5}]}', "line 3: entry 1"),
    ],
)
def test_a_wrong_pair_is_named_with_its_line(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(InputError, match=reason):
        warps.read_pairs(str(tmp_path / "p.json"), HW, HW)
