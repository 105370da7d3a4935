from pathlib import Path

import pytest

from semcorr_cli.batch import folders
from semcorr_cli.errors import InputError, UsageError


def made(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return str(folder)


@pytest.fixture
def cats(tmp_path: Path) -> str:
    return made(tmp_path / "cats", "a.jpg", "sub/b.PNG", "sub/c.webp", ".hidden.png", ".git/x.png", "notes.txt")


@pytest.fixture
def dogs(tmp_path: Path) -> str:
    return made(tmp_path / "dogs", "a.png", "sub/b.jpg", "other/c.webp")


def paired(source: str, target: str | None, pairing: str) -> tuple[list[tuple[str, ...]], list[str]]:
    said: list[str] = []
    rows = folders.paired(source, target, pairing, ".png", said.append)
    return [(r.values["source"], r.values.get("target", ""), r.values["output"]) for r in rows], said


def test_names_meet_their_namesakes_and_the_rest_is_said(cats: str, dogs: str):
    pairs, said = paired(cats, dogs, "name")
    assert pairs == [
        (f"{cats}/a.jpg", f"{dogs}/a.png", "a.png"),
        (f"{cats}/sub/b.PNG", f"{dogs}/sub/b.jpg", "sub/b.png"),
    ]
    assert len(said) == 2
    assert "sub/c.webp" in said[0]
    assert "other/c.webp" in said[1]


def test_all_is_everything_with_everything_but_itself(cats: str, dogs: str):
    pairs, _ = paired(cats, dogs, "all")
    assert len(pairs) == len({output for _, _, output in pairs}) == 9
    assert (f"{cats}/sub/b.PNG", f"{dogs}/other/c.webp", "sub/b/other/c.png") in pairs
    same, _ = paired(cats, cats + "/../cats", "all")
    assert len(same) == 3 * 2


def test_zip_takes_them_in_order(cats: str, dogs: str):
    pairs, _ = paired(cats, dogs, "zip")
    assert [output for _, _, output in pairs] == ["a.png", "sub/b.png", "sub/c.png"]
    made(Path(dogs), "z.png")
    with pytest.raises(UsageError, match=r"3 pictures, .* has 4"):
        paired(cats, dogs, "zip")


def test_verbs_of_one_picture_have_one_folder(cats: str):
    assert [output for _, _, output in paired(cats, None, "name")[0]] == ["a.png", "sub/b.png", "sub/c.png"]


def test_folders_that_will_not_do(cats: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        paired(cats, str(tmp_path / "empty"), "name")
    with pytest.raises(InputError, match="cannot read the folder"):
        paired(cats, str(tmp_path / "nowhere"), "name")
    with pytest.raises(InputError, match="has the name"):
        paired(cats, made(tmp_path / "birds", "z.png"), "name")


def test_links_are_followed_but_not_in_circles(tmp_path: Path, cats: str, dogs: str):
    (tmp_path / "cats" / "more").symlink_to(dogs)
    (tmp_path / "cats" / "sub" / "round").symlink_to(cats)
    assert folders.pictures(cats) == [
        "a.jpg",
        "more/a.png",
        "more/other/c.webp",
        "more/sub/b.jpg",
        "sub/b.PNG",
        "sub/c.webp",
    ]
