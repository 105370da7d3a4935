import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcorr_cli.batch import journal
from semcorr_cli.batch.journal import Journal
from semcorr_cli.errors import DiskFullError, OutputError

OK = {"job": "a.png", "status": "ok", "recipe": "r", "digest": "d", "verdict": "good"}


def test_what_was_written_is_read_again_and_the_last_word_counts(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    first = Journal(path, "warp")
    first.append({"job": "a.png", "status": "started"})
    first.append({"job": "b.png", "status": "started"})
    first.append(OK)
    first.close()
    second = Journal(path, "warp")
    assert second.jobs == first.jobs
    assert second.jobs["a.png"].status == "ok"
    assert second.jobs["b.png"].status == "started"
    second.close()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_half_a_line_is_passed_over_and_the_next_one_starts_afresh(tmp_path: Path, cut: int):
    path = tmp_path / "journal.jsonl"
    book = Journal(path, "warp")
    book.append({"job": "b.png", "status": "ok"})
    book.append(OK)
    book.close()
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Journal(path, "warp")
    assert torn.jobs["b.png"].status == "ok"
    torn.append({"job": "c.png", "status": "started"})
    torn.close()
    again = Journal(path, "warp")
    assert again.jobs["c.png"].status == "started"
    assert ("a.png" in again.jobs) == (cut == 1)  # without its end, a line is whole all the same
    again.close()


def test_nothing_that_was_written_is_ever_changed(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    before = b""
    for number in range(3):
        book = Journal(path, "warp")
        book.append({"job": f"{number}.png", "status": "started"})
        book.close()
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    assert [json.loads(line).get("journal") for line in before.splitlines()] == [1, None, None, None]


def test_a_batch_of_another_verb_is_refused(tmp_path: Path):
    Journal(tmp_path / "journal.jsonl", "warp").close()
    with pytest.raises(OutputError, match="a batch of warp, not of morph"):
        Journal(tmp_path / "journal.jsonl", "morph")


def test_a_journal_that_cannot_be_written_is_an_output_error(tmp_path: Path):
    with pytest.raises(OutputError):
        Journal(tmp_path / "nowhere" / "journal.jsonl", "warp")
    book = Journal(tmp_path / "journal.jsonl", "warp")
    full = Path("/dev/full")
    if full.exists():
        import os

        book.close()
        book._file = os.open(full, os.O_WRONLY)
        with pytest.raises(DiskFullError):
            book.append(OK)
        assert "a.png" not in book.jobs
    book.close()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_damage_of_any_kind_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    path.write_bytes(content)
    assert all(isinstance(line, dict) for line in journal.read(path))
