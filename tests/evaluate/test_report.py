import re

import torch

from semcorr_cli import evaluate
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Verdict
from semcorr_cli.evaluate import Protocol, Report, Row
from semcorr_cli.evaluate import pictures as drawing
from semcorr_cli.evaluate.report import WORST, worst
from tests.evaluate.guesses import called, guesses, scored

PICTURE = "data:image/jpeg;base64,AAAA"


def report(name: str = "a") -> Report:
    truth = torch.rand(4, 2)
    rows = [Row.of(entry, Protocol()) for entry in guesses()]
    rows.append(Row.of(scored(0, truth, truth, name, called(Verdict.GOOD, 0.9)), Protocol()))
    tables = evaluate.tables(evaluate.tally(rows, Protocol().alphas), Protocol())
    return Report(f"title {name}", {"features": name}, tables, [(row, PICTURE) for row in rows])


def test_html_holds_everything_itself() -> None:
    page = report().encode(".html").decode()
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "http" not in page
    assert page.count("<img") == len(guesses()) + 1
    assert page.count("<table>") == 3
    assert "$" not in page
    for text in ("cat", "cow", "dog", "viewpoint 2", "good", "mean of categories"):
        assert f"<td>{text}</td>" in page


def test_markdown_holds_the_same_tables() -> None:
    page = report().encode(".md").decode()
    html = report().encode(".html").decode()
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(lines) == html.count("<tr")
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert page.count(PICTURE) == html.count(PICTURE)


def test_names_are_text_whatever_they_hold() -> None:
    name = '<script>alert("&|*_$title")</script>'
    page = report(name).encode(".html").decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    markdown = report(name).encode(".md").decode()
    assert "<script>" not in markdown.replace("\\<", "")


def test_the_worst_pairs_come_first() -> None:
    rows = [Row.of(entry, Protocol()) for seed in range(3) for entry in guesses(seed)]
    found = worst(rows)
    assert len(found) == WORST
    assert [row.share for row in found] == sorted(row.share for row in rows)[:WORST]
    ties = [row.error for row in found if row.share == found[0].share]
    assert ties == sorted(ties, reverse=True)
    assert worst([Row("x", "cat", 0, (0,), 0, 0.0)]) == []


def test_a_table_of_traits_that_all_pairs_have_says_nothing() -> None:
    truth = torch.rand(4, 2)
    rows = [Row.of(scored(number, truth, truth), Protocol()) for number in (0, 3)]
    assert len(evaluate.tables(evaluate.tally(rows, Protocol().alphas), Protocol())) == 1


def test_a_pair_is_drawn_with_true_and_predicted_places() -> None:
    import base64
    import io

    import numpy as np
    from PIL import Image as Pillow

    grey = Image(torch.full((3, 60, 120), 0.5))
    row = Row("x", "cat", 1, (0,), 0, 0.5, shown=((30.0, 30.0, 20.0, 20.0, 100.0, 40.0),))
    content = drawing.drawn(grey, grey, row).removeprefix("data:image/jpeg;base64,")
    shown = np.asarray(Pillow.open(io.BytesIO(base64.b64decode(content)))).astype(int)
    assert shown.shape == (120, 2 * drawing.SIDE + drawing.GAP, 3)
    red = (shown[..., 0] - shown[..., 1]) > 80
    green = (shown[..., 1] - shown[..., 0]) > 40
    left = drawing.SIDE + drawing.GAP
    assert red[80, left + 200]
    assert not red[:, :left].any()
    assert green[30:50, left + 30 : left + 50].any()
    assert green[50:70, 50:70].any()
