import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from semcorr_cli.batch import report
from semcorr_cli.batch.manifest import Mistake

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

NASTY = "<script>alert('&\"')</script>/ü ?#%.png"


def line(name: str, number: int, **more: object) -> dict:
    return {"job": name, "line": number, "status": "ok", "inputs": ["a", "b"], "seconds": 1.5, "error": None, **more}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    lines = [
        {"journal": 1, "verb": "warp"},
        {"job": "a.png", "status": "started"},
        line("a.png", 2, verdict="good", probability=0.9, thumbnail="data:image/jpeg;base64,AAAA"),
        line("b.png", 10, verdict="poor", probability=0.1),
        line("c.png", 3, verdict="good", probability=0.7),
        line(NASTY, 4, status="failed", error={"kind": "input", "message": "there is no file <b>"}),
        {"job": "d.png", "status": "started"},
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"job": "torn')
    report.write(tmp_path / "report.html", [tmp_path / "journal.jsonl"], "warp", [Mistake(7, "unknown key 'x'")])
    return tmp_path / "report.html"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.rows += tag == "tr"
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_whole_and_needs_nothing_else(page: Path):
    tags = Tags()
    tags.feed(page.read_text())
    assert tags.open == []
    assert tags.rows == 1 + 6
    assert [link for link in tags.links if not link.startswith("data:")] == ["a.png", "c.png", "b.png"]
    assert "<b>" not in page.read_text()
    assert page.read_text().count("<script") == 1


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_a_browser_shows_sorts_and_filters_it(page: Path, tmp_path: Path):
    steps = """<script>
      const said = [];
      const order = () => Array.from(document.querySelectorAll("tbody tr")).filter((row) => !row.hidden)
        .map((row) => row.cells[0].textContent).join(" ");
      const click = (n) => { document.querySelectorAll("th")[n].querySelector("button").click(); said.push(order()); };
      said.push(order()); click(3); click(3); click(4); click(0);
      const filter = document.getElementById("filter");
      filter.value = "failed"; filter.dispatchEvent(new Event("change")); said.push(order());
      said.push(document.getElementById("shown").textContent);
      document.title = "said:" + JSON.stringify(said);
    </script></body>"""
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("</body>", steps))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'user'}"]
    done = subprocess.run([*command, "--dump-dom", driven.as_uri()], capture_output=True, timeout=120, check=False)
    said = re.search(r"<title>said:(.*?)</title>", done.stdout.decode())
    assert said is not None, done.stderr.decode()[-500:]
    assert json.loads(said[1]) == [
        " 2 3 4 7 10",
        "10 3 2  4 7",
        "2 3 10  4 7",
        "4 7  2 3 10",
        "2 3 4 7 10 ",
        "4 7",
        "2 of 6",
    ]
