import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcorr_cli.batch import manifest
from semcorr_cli.batch.manifest import Mistake, Row
from semcorr_cli.errors import InputError, UsageError

KEYS = ("source", "target", "output", "strength", "max-side")


def rows(content: bytes | str, **options: object) -> list[Row | Mistake | None]:
    stdin = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(manifest.read("-", KEYS, stdin, **options))


def values(content: bytes | str) -> list[dict[str, object]]:
    read = rows(content)
    assert all(isinstance(row, Row) for row in read), read
    return [row.values for row in read]


TABLE = [{"source": "a b.png", "target": "c,d.png"}, {"source": 'e"f.png', "target": "ü.png"}]


@pytest.mark.parametrize(
    "content",
    [
        'source,target\n"a b.png","c,d.png"\n"e""f.png",ü.png\n',
        'source,target\r\na b.png,"c,d.png"\r\n\r\n"e""f.png",ü.png',
        "\ufeffsource\ttarget\na b.png\tc,d.png\n" + '"e""f.png"\tü.png\n',
        "\n".join(json.dumps(row) for row in TABLE),
        "\n" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in TABLE) + "\n",
    ],
)
def test_one_table_in_every_kind(content):
    assert values(content) == TABLE


def test_lines_are_counted_as_an_editor_counts_them():
    read = rows("source,target\n\na,b\n\nc,d,e\n")
    assert [row.line for row in read] == [3, 5]
    assert isinstance(read[1], Mistake)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"source": "a", }', "not JSON"),
        ('{"source": "a"} {"source": "b"}', "not JSON"),
        ('{"source": "a", "source": "b"}', "'source' is given twice"),
        ('{"strength": NaN}', "NaN is no number"),
        ('{"strength": ' + "9" * 5000 + "}", ""),
        ('{"a": ' + "[" * 100_000 + "}", "nested too deep"),
        ("{}\n[1]", "not a JSON object"),
        ('source,target\n"a,b', "not csv"),
        ("source,target\na,b,c,d", "4 cells"),
        (b"source,target\na,\xff.png", "not UTF-8"),
        ("source,target\na\0,b", ""),
    ],
)
def test_a_bad_line_is_a_mistake_with_its_number_and_the_next_is_read(content, message):
    content = content.encode() if isinstance(content, str) else content
    good = b'{"source": "x"}' if content.startswith(b"{") else b"x,y"
    read = rows(content + b"\n" + good)
    mistakes = [row for row in read if isinstance(row, Mistake)]
    assert len(mistakes) <= 1
    if message:
        assert message in mistakes[0].message
        assert mistakes[0].line == content.count(b"\n") + 1
    assert isinstance(read[-1], Row)
    assert read[-1].values["source"] == "x"


@pytest.mark.parametrize("header", ["a.png,b.png", "source,target,source", "source,colour", ""])
def test_a_header_that_names_no_columns_is_refused(header):
    with pytest.raises(UsageError, match=r"line (1|2) of the manifest"):
        rows(header + "\nsource,target,,,\n")


def test_files_are_told_by_their_suffix(tmp_path: Path):
    for name, content in {
        "a.csv": "source,target\nx,y",
        "a.TSV": "source\ttarget\nx\ty",
        "a.jsonl": '{"source": "x", "target": "y"}',
    }.items():
        (tmp_path / name).write_text(content)
        (row,) = manifest.read(str(tmp_path / name), KEYS, io.BytesIO())
        assert row.values == {"source": "x", "target": "y"}
    with pytest.raises(UsageError, match="suffix"):
        list(manifest.read(str(tmp_path / "jobs.xls"), KEYS, io.BytesIO()))
    with pytest.raises(InputError, match="cannot read the manifest"):
        list(manifest.read(str(tmp_path / "nowhere.csv"), KEYS, io.BytesIO()))
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(InputError, match="cannot read the manifest"):
        list(manifest.read(str(tmp_path / "d.csv"), KEYS, io.BytesIO()))


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(manifest, "LONGEST", 1000)
    with pytest.raises(InputError, match="more than 1000 bytes"):
        rows("source,target\n" + "x" * 5000 * manifest.PIECE)


def test_a_growing_file_is_read_as_it_grows_and_half_lines_wait(tmp_path: Path):
    path, stop = tmp_path / "jobs.csv", []
    path.write_text("source,target\na,b\nc,")
    read = manifest.read(str(path), KEYS, io.BytesIO(), asked=lambda: bool(stop))
    assert next(read).values["source"] == "a"
    assert next(read) is None
    with path.open("a") as file:
        file.write("d\ne,f")
    assert next(read).values == {"source": "c", "target": "d"}
    assert next(read) is None
    stop.append(1)
    assert [row.values for row in read if row] == [{"source": "e", "target": "f"}]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_rows_mistakes_or_one_refusal(content):
    try:
        for row in rows(content):
            assert isinstance(row, Row | Mistake)
    except UsageError as error:
        assert "line" in error.message


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]",:\\ntrue0129.eE-source\n\t ', max_size=200))
def test_nearly_json_is_rows_mistakes_or_one_refusal(text):
    try:
        for row in rows('{"source": "a"}\n' + text):
            assert isinstance(row, Row | Mistake)
    except UsageError as error:
        assert "line" in error.message
