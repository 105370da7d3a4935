"""An evaluation from its pairs to their results, and to the pictures of the worst."""

from collections.abc import Callable, Iterator, Sequence

from semcorr_cli.datasets import TruePair
from semcorr_cli.evaluate import pictures
from semcorr_cli.evaluate.log import Log
from semcorr_cli.evaluate.prediction import pictured, predict
from semcorr_cli.evaluate.protocol import Protocol
from semcorr_cli.evaluate.scores import Row
from semcorr_cli.evaluate.selection import Selection
from semcorr_cli.session import Session


def run(
    selection: Selection,
    session: Session,
    prediction: str,
    protocol: Protocol,
    log: Log | None,
    advance: Callable[[int], None],
) -> list[Row]:
    """Returns each pair's result, in the order of the pairs.

    Args:
        selection: the pairs.
        session: extractor and matcher.
        prediction: see `predict`.
        protocol: how predictions are counted.
        log: knows results, and is told new ones; None for neither.
        advance: is told how many pairs are done.
    """
    rows = {} if log is None else log.rows
    names: list[str] = []

    def unknown() -> Iterator[TruePair]:
        for pair in selection:
            advance(len(names))
            names.append(pair.name)
            if pair.name not in rows:
                yield pair

    for scored in predict(unknown(), session, prediction, protocol.reading, selection.max_pixels):
        row = Row.of(scored, protocol)
        if log is None:
            rows[row.name] = row
        else:
            log.append(row)
    return [rows[name] for name in names]


def show(selection: Selection, rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Returns rows with their pairs' pictures."""
    drawn: dict[str, str] = {}
    wanted = {row.name: row for row in rows}
    for pair in selection:
        if pair.name in wanted and pair.name not in drawn:
            drawn[pair.name] = pictures.drawn(*pictured(pair, {}, selection.max_pixels), wanted[pair.name])
        if len(drawn) == len(wanted):
            break
    return [(row, drawn[row.name]) for row in rows]
