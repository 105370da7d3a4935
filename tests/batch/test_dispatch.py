"""The dispatcher, with an engine whose workers die as the script says."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from semcorr_cli.batch.dispatch import ATTEMPTS, Died, Done, Message, Ready, dispatch
from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.worker import Order, Task
from semcorr_cli.errors import DeviceError, MissingError


class Scripted:
    """Workers die at jobs as often as told; everything else they do at once."""

    def __init__(self, slots: int = 2, deadly: dict[str, int] | None = None, lifetime: int = 0) -> None:
        self.order = Order("", "match", "1", {}, Path(), Path())
        self.slots = slots
        self.lifetime = lifetime
        self.deadly = dict(deadly or {})
        self.messages: deque[tuple[int, Message]] = deque()
        self.alive: set[int] = set()
        self.starts = self.most = 0
        self.ready: Ready | Died = Ready()
        self.closed = False
        self.sent: list[Task] = []

    def start(self, slot: int) -> None:
        assert slot not in self.alive
        self.starts += 1
        self.messages.append((slot, self.ready))
        if isinstance(self.ready, Ready):
            self.alive.add(slot)
        self.most = max(self.most, len(self.alive))

    def send(self, slot: int, task: Task) -> None:
        assert slot in self.alive
        self.sent.append(task)
        name = task.job.output
        if self.deadly.get(name, 0) > 0:
            self.deadly[name] -= 1
            self.alive.remove(slot)
            self.messages.append((slot, Died("signal 9")))
        else:
            self.messages.append((slot, Done({"job": name, "status": "ok", "attempt": task.attempt})))

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        return [self.messages.popleft()] if self.messages else []

    def stop(self, slot: int) -> None:
        self.alive.remove(slot)

    def close(self) -> None:
        self.closed = True


def tasks(count: int, **more: bool) -> list[Task]:
    return [Task(Job(str(number), ("a", "b")), **more) for number in range(count)]


def never() -> bool:
    return False


@pytest.mark.parametrize(("slots", "count"), [(1, 0), (1, 3), (3, 2), (3, 50)])
def test_every_task_is_done_once_by_no_more_workers_than_needed(slots, count):
    engine = Scripted(slots)
    records = list(dispatch(engine, iter(tasks(count)), never))
    assert sorted(int(record["job"]) for record in records) == list(range(count))
    assert engine.starts == engine.most == min(slots, count)
    assert engine.closed


def test_a_job_whose_worker_dies_is_tried_once_more_and_the_worker_replaced():
    engine = Scripted(2, {"3": 1})
    records = {record["job"]: record for record in dispatch(engine, iter(tasks(8)), never)}
    assert len(records) == 8
    assert records["3"] == {"job": "3", "status": "ok", "attempt": 2}
    again = [task for task in engine.sent if task.job.output == "3"]
    assert [(task.is_again, task.overwrite) for task in again] == [(False, False), (True, True)]
    assert engine.starts >= 3


@pytest.mark.parametrize("may_overwrite", [False, True])
def test_a_file_that_was_there_before_the_first_try_is_no_more_ours_at_the_second(may_overwrite):
    engine = Scripted(1, {"0": 1})
    list(dispatch(engine, iter(tasks(1, is_ours=False, overwrite=may_overwrite)), never))
    assert [task.overwrite for task in engine.sent] == [may_overwrite] * 2


def test_a_job_that_kills_its_worker_each_time_is_recorded_as_failed():
    engine = Scripted(1, {"1": 99})
    records = {record["job"]: record for record in dispatch(engine, iter(tasks(4)), never)}
    assert [records[str(n)]["status"] for n in range(4)] == ["ok", "failed", "ok", "ok"]
    assert records["1"]["envelope"]["errors"][0]["kind"] == "device"
    assert "died 2 times (signal 9)" in records["1"]["envelope"]["errors"][0]["message"]
    assert len([task for task in engine.sent if task.job.output == "1"]) == ATTEMPTS


def test_workers_have_a_lifetime():
    engine = Scripted(1, lifetime=3)
    assert len(list(dispatch(engine, iter(tasks(10)), never))) == 10
    assert engine.starts == 4
    assert engine.most == 1


def test_weights_that_are_missing_end_everything_before_any_job():
    engine = Scripted()
    engine.ready = Ready(MissingError("no weights"))
    with pytest.raises(MissingError, match="no weights"):
        list(dispatch(engine, iter(tasks(5)), never))
    assert engine.sent == []
    assert engine.closed


def test_workers_that_cannot_live_end_everything():
    engine = Scripted()
    engine.ready = Died("signal 11")
    with pytest.raises(DeviceError, match="signal 11"):
        list(dispatch(engine, iter(tasks(5)), never))
    assert engine.starts < 10


def test_asked_to_stop_takes_no_more_and_brings_home_what_runs():
    engine, asked, taken = Scripted(2), [], []

    def growing() -> Iterator[Task | None]:
        for task in tasks(100):
            taken.append(task)
            yield task
            yield None

    records = []
    for record in dispatch(engine, growing(), lambda: bool(asked)):
        records.append(record)
        if len(records) == 5:
            asked.append(1)
    assert len(records) == len(engine.sent)
    assert len(taken) <= len(records) + 2
    assert engine.closed


def test_an_end_from_outside_closes_the_engine():
    engine = Scripted()
    records = dispatch(engine, iter(tasks(9)), never)
    next(records)
    records.close()
    assert engine.closed
