"""Pairs with truth become tables of scores.

    pairs ─► predict ─► Scored ─► Row (kept in a log) ─► Scores ─► tables ─► terminal, report

`protocol` says how predictions are counted, `reading` how nearest neighbours are read off a grid.
"""

from semcorr_cli.evaluate.log import Log
from semcorr_cli.evaluate.prediction import PREDICTIONS, Scored, predict
from semcorr_cli.evaluate.protocol import Protocol, label
from semcorr_cli.evaluate.report import Report, worst
from semcorr_cli.evaluate.run import run, show
from semcorr_cli.evaluate.scores import Row, Scores, score, tally
from semcorr_cli.evaluate.selection import Selection
from semcorr_cli.evaluate.tables import Table, tables

__all__ = [
    "PREDICTIONS",
    "Log",
    "Protocol",
    "Report",
    "Row",
    "Scored",
    "Scores",
    "Selection",
    "Table",
    "label",
    "predict",
    "run",
    "score",
    "show",
    "tables",
    "tally",
    "worst",
]
