from pathlib import Path

import pytest

from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.evaluate import Log, Protocol, Row
from tests.evaluate.guesses import guesses

CONDITIONS = {"data set": "spair", "alphas": [0.1], "weights": None}
ROWS = [Row.of(entry, Protocol()) for entry in guesses()]


def written(path: Path) -> Path:
    with Log(path, CONDITIONS) as log:
        for row in ROWS:
            log.append(row)
    return path


def test_what_is_appended_is_known_when_the_log_is_opened_again(tmp_path: Path) -> None:
    with Log(written(tmp_path / "a.jsonl"), CONDITIONS) as log:
        assert list(log.rows.values()) == ROWS


def test_half_a_line_at_the_end_is_passed_over_and_the_next_starts_afresh(tmp_path: Path) -> None:
    content = written(tmp_path / "a.jsonl").read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(content) - 1, 7):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(content[:cut])
        with Log(path, CONDITIONS) as log:
            assert list(log.rows.values()) == ROWS[:-1]
            log.append(ROWS[-1])
        with Log(path, CONDITIONS) as log:
            assert list(log.rows.values()) == ROWS


def test_a_log_that_was_cut_off_in_its_first_line_is_begun_anew(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl").read_bytes().split(b"\n")[0]
    for cut in (0, 1, 14, 20, len(first) - 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(first[:cut])
        with Log(path, CONDITIONS) as log:
            log.append(ROWS[0])
        with Log(path, CONDITIONS) as log:
            assert list(log.rows.values()) == ROWS[:1]


def test_other_conditions_are_refused_by_name_and_nothing_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"alphas was \[0.1\] and is \[0.2\]; seed was None and is 3"):
        Log(path, CONDITIONS | {"alphas": [0.2], "seed": 3})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"hello\n", b'{"journal": 1}\n', b"\0\1\2", b'{"evaluation": 99, "conditions": {}}\n']
)
def test_another_file_is_refused_and_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="is no log of an evaluation"):
        Log(path, CONDITIONS)
    assert path.read_bytes() == content


def test_a_line_that_is_no_result_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl")
    with path.open("a") as file:
        file.write('{"name": "x"}\n')
    with pytest.raises(OutputError, match="a line that is no result"):
        Log(path, CONDITIONS)


def test_a_log_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        Log(tmp_path / "missing" / "a.jsonl", CONDITIONS)
    with pytest.raises(OutputError):
        Log(tmp_path, CONDITIONS)
