from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcorr_cli.batch.jobs import Job, Reader
from semcorr_cli.batch.manifest import Mistake, Row
from semcorr_cli.cli.jobs import VERBS, Command

FORMS = {name: Command(name).form() for name in VERBS}


def read(verb: str, *rows: dict[str, object], **common: object) -> list[Job | Mistake | None]:
    lines = [Row(number, row) for number, row in enumerate(rows, start=2)]
    return list(Reader(FORMS[verb], common, Path()).read(lines))


def one(verb: str, **row: object) -> Job | Mistake | None:
    (item,) = read(verb, row)
    return item


def test_a_row_becomes_the_job_it_asks_for():
    job = one("warp", source="cats/a.jpg", target="b.jpg", strength=0.5, output="x/y.webp", background="target")
    assert job == Job("x/y.webp", ("cats/a.jpg", "b.jpg"), {"strength": "0.5", "background": "target"}, 2)


def test_a_rows_options_come_before_the_batchs():
    (job,) = read("warp", {"source": "a", "target": "b", "strength": "0.2"}, strength="0.9", seed="3")
    assert job.options == {"strength": "0.2", "seed": "3"}


def test_keys_may_be_written_with_dashes_or_underscores_and_empty_cells_are_not_given():
    for key in ("max-side", "max_side"):
        assert one("match", source="a", target="b", **{key: "64", "flip": ""}).options == {"max_side": "64"}


def test_flags_and_lists():
    job = one("morph", source="a", target="b", ping_pong="yes", weights=["builtin=x", "sift=y"])
    assert job.options == {"ping_pong": True, "weights": ("builtin=x", "sift=y")}
    assert one("morph", source="a", target="b", weights="builtin=x;sift=y").options["weights"] == (
        "builtin=x",
        "sift=y",
    )


@pytest.mark.parametrize(
    ("row", "inputs"),
    [
        ({"source": "a", "target": "b"}, ("a", "b")),
        ({"images": ["a", "b", "c"]}, ("a", "b", "c")),
        ({"images": "a;b;c"}, ("a", "b", "c")),
        ({"source": "a", "target": "b", "images": ["c"]}, ("a", "b", "c")),
    ],
)
def test_a_film_has_any_number_of_pictures(row, inputs):
    assert one("morph", **row).inputs == inputs


def test_one_picture_is_the_source_or_the_image():
    assert one("extract", source="a.png").inputs == one("extract", image="a.png").inputs == ("a.png",)
    assert isinstance(one("extract", source="a.png", image="b.png"), Mistake)


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        (("a.jpg", "b.jpg"), "a--b.png"),
        (("cats/sub/a.jpg", "dogs/b.tar.jpg"), "cats/sub/a--b.tar.png"),
        (("/abs/a.jpg", "b.jpg"), "a--b.png"),
        (("../up/a.jpg", "b.jpg"), "a--b.png"),
    ],
)
def test_outputs_nobody_named_mirror_the_sources_folder(inputs, output):
    assert one("warp", source=inputs[0], target=inputs[1]).output == output


def test_the_format_decides_the_suffix_of_outputs_nobody_named():
    form = Command("match").form("json")
    (job,) = Reader(form, {}, Path()).read([Row(1, {"source": "a", "target": "b"})])
    assert job.output == "a--b.json"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "a"}, "there is no 'target'"),
        ({"target": "a"}, "there is no 'source'"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"json": "true"}, "unknown key 'json'"),
        ({"device": "cpu"}, "unknown key 'device'"),
        ({"overwrite": "true"}, "unknown key 'overwrite'"),
        ({"strength": "2"}, "--strength"),
        ({"strength": True}, "True is no value"),
        ({"strength": {"a": 1}}, "is no value"),
        ({"background": "sky"}, "--background"),
        ({"output": "../x.png"}, "does not lie in"),
        ({"output": "/x.png"}, "does not lie in"),
        ({"output": "x.docx"}, "warp writes .png"),
        ({"output": "x"}, "warp writes .png"),
        ({"output": "a\0.png"}, "no name may hold"),
        ({"source": "-"}, "stdin"),
        ({"max_side": "64", "max-side": "32"}, "given twice"),
    ],
)
def test_nonsense_is_a_mistake_that_says_what(row, message):
    base = {} if "source" in row or "target" in row else {"source": "a", "target": "b"}
    if row.get("source") == "-":
        base = {"target": "b"}
    mistake = one("warp", **base, **row)
    assert isinstance(mistake, Mistake)
    assert mistake.line == 2
    assert message in mistake.message


def test_two_jobs_cannot_share_an_output():
    row = {"source": "a", "target": "b", "output": "x.png"}
    first, second, third = read("warp", row, {**row, "output": "./x.png"}, {**row, "output": "y.png"})
    assert isinstance(first, Job)
    assert isinstance(third, Job)
    assert second == Mistake(3, "the output x.png is that of line 2 already")


@pytest.mark.parametrize("outputs", [("x", "x/1.gif"), ("x/y/1.gif", "x/y"), ("x.gif", "x.gif/y")])
def test_no_job_can_write_into_the_output_of_another(outputs):
    row = {"source": "a", "target": "b"}
    first, second, third = read("morph", *({**row, "output": name} for name in (*outputs, "x2/1.gif")))
    assert isinstance(first, Job)
    assert isinstance(third, Job)
    assert isinstance(second, Mistake)
    assert "line 2" in second.message


def test_missing_masks_are_found_too(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    reader = Reader(FORMS["transfer-style"], {}, tmp_path)
    job = Job("o", ("a", "a"), {"source_mask": "nope", "mask": "a", "strength": "1"}, 3)
    assert list(reader.missing(job)) == [Mistake(3, "there is no file nope")]


def test_missing_inputs_are_found(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    reader = Reader(FORMS["warp"], {}, tmp_path)
    assert list(reader.missing(Job("o", ("a", "nope"), {}, 7))) == [Mistake(7, "there is no file nope")]
    assert [m.line for m in reader.missing(Job("o", ("x" * 5000, "a\0b"), {}, 7))] == [7, 7]


def test_words_that_look_like_options_are_none():
    job = one("warp", source="--help", target="-o", output="--x.png")
    assert job.inputs == ("--help", "-o")
    assert Command("warp").arguments(job.inputs, {"strength": "-1"}, "--x.png") == [
        "--output=--x.png", "--strength=-1", "--", "--help", "-o",
    ]  # fmt: skip


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.text(max_size=3))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_row_holds_it_is_a_job_or_a_mistake(data):
    verb = data.draw(st.sampled_from(sorted(VERBS)))
    row = data.draw(st.dictionaries(st.sampled_from(FORMS[verb].keys) | st.text(max_size=6), VALUES, max_size=5))
    item = one(verb, **{"source": "a", **row})
    assert isinstance(item, Job | Mistake)
    if isinstance(item, Mistake):
        assert "Traceback" not in item.message
        assert "\n" not in item.message
