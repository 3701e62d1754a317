"""Distribution of tests: grouping, order, and crashes of workers."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.browser import CHECKOUT
from tests.conftest import pytest_make_parametrize_id
from tests.queues import SLOWEST_FIRST, Queues, rank

SLOW = ["tests/e2e/test_running.py::test_a", "tests/e2e/test_running.py::test_b"]
SLURM = ["tests/slurm/test_client.py::test_a", "tests/slurm/test_sudo.py::test_b[x::y]"]
UNIT = [
    "tests/spawners/options/test_form.py::test_a",
    "tests/spawners/options/test_form.py::test_b",
    "tests/widgets/test_fields.py::test_c",
]


class Worker:
    """Keeps what a scheduler sends it."""

    shutting_down = False
    gateway = SimpleNamespace(id="a worker")

    def __init__(self) -> None:
        self.tests: list[int] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.tests += indices

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Queues:
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda config: ["popen", "popen"])
    option = SimpleNamespace(loadscopereorder=True)
    return Queues(cast(Any, SimpleNamespace(option=option)))


def start(queues: Queues, tests: list[str]) -> tuple[Worker, Worker]:
    workers = Worker(), Worker()
    for worker in workers:
        queues.add_node(cast(Any, worker))
        queues.add_node_collection(cast(Any, worker), tests)
    queues.schedule()
    return workers


def test_a_module_stays_on_one_worker_and_queues_start_in_order(queues: Queues) -> None:
    first, second = start(queues, SLOW + SLURM + UNIT)
    assert first.tests[:2] == [0, 1]
    assert second.tests[:2] == [2, 3], "the Slurm tests share one Slurm, and so one worker"


def test_a_crash_fails_a_single_test_without_retry_and_the_others_run(queues: Queues) -> None:
    first, second = start(queues, SLOW + SLURM + UNIT)
    assert queues.remove_node(cast(Any, first)) == SLOW[0]
    replacement = Worker()
    queues.add_node(cast(Any, replacement))
    queues.add_node_collection(cast(Any, replacement), SLOW + SLURM + UNIT)
    queues.schedule()
    assert 0 not in second.tests + replacement.tests
    for worker in (second, replacement):
        while worker.tests:
            queues.mark_test_complete(cast(Any, worker), worker.tests.pop(0))
    assert queues.tests_finished
    assert not queues.has_pending


def test_a_worker_without_work_left_has_crashed_no_test(queues: Queues) -> None:
    _, second = start(queues, SLOW + UNIT[:1])
    while second.tests:
        queues.mark_test_complete(cast(Any, second), second.tests.pop(0))
    assert queues.remove_node(cast(Any, second)) is None


def test_every_entry_of_the_order_names_something() -> None:
    for prefix in SLOWEST_FIRST:
        assert (CHECKOUT / prefix).exists(), prefix


def test_unit_tests_that_no_entry_names_come_last() -> None:
    assert rank("tests/widgets/test_fields.py::test_c") == len(SLOWEST_FIRST)
    assert rank("tests/e2e/test_journey.py::test_x") < rank("tests/widgets/test_fields.py::test_c")
    assert rank("tests/slurm/test_sudo.py::test_a") == 0


@pytest.mark.parametrize(
    ("packed", "name"),
    [(gzip.compress(b"text"), "packed"), (b"text", None), ("text", None)],
    ids=["gzip", "bytes", "text"],
)
def test_names_of_tests_do_not_hold_the_time(packed: object, name: str | None) -> None:
    assert pytest_make_parametrize_id(packed, "packed") == name
