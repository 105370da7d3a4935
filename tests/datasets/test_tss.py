from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from semcorr_cli.datasets import tss
from semcorr_cli.errors import InputError

HW_1, HW_2 = (6, 8), (7, 10)


def flo(path: Path, flow: np.ndarray) -> None:
    height, width = flow.shape[:2]
    head = np.array([tss.MAGIC], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
    path.write_bytes(head + flow.astype("<f4").tobytes())


def folder(root: Path, part: str = "JODS", name: str = "car_1", flip: str | None = "0") -> Path:
    made = root / part / name
    made.mkdir(parents=True)
    for number, hw in ((1, HW_1), (2, HW_2)):
        Pillow.new("RGB", hw[::-1]).save(made / f"image{number}.png")
        mask = np.zeros(hw, np.uint8)
        mask[1:4, 2:7] = 255
        Pillow.fromarray(mask).save(made / f"mask{number}.png")
        flow = np.full((*hw, 2), 1e10)
        flow[2, 3] = [number, 0.5]
        flow[4, 5] = [-2, -number]
        flow[5, 5] = np.nan
        flo(made / f"flow{number}.flo", flow)
    if flip is not None:
        (made / "flip_gt.txt").write_text(flip)
    return made


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(tss.read(root))
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("flip", ["0\n", None])
def test_a_folder_is_two_pairs_whose_points_are_the_pixels_with_a_known_way(flip: str | None, tmp_path: Path) -> None:
    made = folder(tmp_path, flip=flip)
    there, back = tss.read(tmp_path)
    assert (there.name, back.name) == ("JODS/car_1/1to2", "JODS/car_1/2to1")
    assert (there.category, there.source, there.target) == ("JODS", made / "image1.png", made / "image2.png")
    assert (back.source, back.target) == (there.target, there.source)
    assert there.source_points.tolist() == [[3.5, 2.5], [5.5, 4.5]]
    assert there.target_points.tolist() == [[4.5, 3.0], [3.5, 3.5]]
    assert back.target_points.tolist() == [[5.5, 3.0], [3.5, 2.5]]
    assert there.target_box == (2, 1, 7, 4)


def test_ways_of_mirrored_pairs_lead_into_the_mirrored_picture(tmp_path: Path) -> None:
    folder(tmp_path, flip="1")
    there, back = tss.read(tmp_path)
    assert there.source_points.tolist() == [[3.5, 2.5], [5.5, 4.5]]
    assert there.target_points.tolist() == [[HW_2[1] - 4.5, 3.0], [HW_2[1] - 3.5, 3.5]]
    assert back.target_points.tolist() == [[HW_1[1] - 5.5, 3.0], [HW_1[1] - 3.5, 2.5]]


def test_parts_come_in_order_and_an_empty_mask_is_no_box(tmp_path: Path) -> None:
    made = [folder(tmp_path, part, name) for part, name in (("PASCAL", "b"), ("FG3DCar", "a"), ("PASCAL", "a"))]
    Pillow.new("L", HW_2[::-1]).save(made[0] / "mask2.png")
    pairs = list(tss.read(tmp_path))
    assert [pair.name for pair in pairs[::2]] == ["FG3DCar/a/1to2", "PASCAL/a/1to2", "PASCAL/b/1to2"]
    assert [pair.target_box is None for pair in pairs[::2]] == [False, False, True]


def test_a_folder_in_another_layout_is_refused(tmp_path: Path) -> None:
    assert "is not in TSS's layout" in refusal(tmp_path)


@pytest.mark.parametrize("size", [0, 3, 11, 40])
def test_a_damaged_flow_is_refused_by_name(size: int, tmp_path: Path) -> None:
    path = folder(tmp_path) / "flow1.flo"
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path} is not a .flo file" in refusal(tmp_path)
    path.write_bytes(b"PIEG" + bytes(400))
    assert f"{path} is not a .flo file" in refusal(tmp_path)


def test_what_else_is_damaged_is_refused_by_name(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "mask2.png").write_bytes(b"")
    assert f"{made / 'mask2.png'} is not a picture" in refusal(tmp_path)
    (made / "flip_gt.txt").write_text("maybe")
    assert "says 'maybe' rather than 0 or 1" in refusal(tmp_path)
    (made / "flip_gt.txt").write_bytes(b"\xff\xfe")
    assert "rather than 0 or 1" in refusal(tmp_path)
    (made / "flow2.flo").unlink()
    (made / "flip_gt.txt").write_text("0")
    (made / "mask2.png").unlink()
    assert f"{made / 'mask2.png'} is not a picture" in refusal(tmp_path)
