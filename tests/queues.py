"""Distributes a test run among the workers of pytest-xdist.

The tests of a module stay together on one worker, and each worker has a copy of Atrium of its own
(temporary_deployment.py), so that a test which kills a process or drains a node disturbs nobody else. The slowest
modules start first; unit tests fill the time in which browser tests wait. A worker that crashes takes down the one test
it was running.
"""

from __future__ import annotations

from collections import OrderedDict

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

SLOWEST_FIRST = (
    "tests/slurm/",  # before browser tests: a worker that changes between them has to start another copy
    "tests/e2e/test_running.py",
    "tests/e2e/test_scaling.py",
    "tests/e2e/test_onboarding.py",
    "tests/hub/dataspace/",
    "tests/e2e/test_dask.py",
    "tests/e2e/test_dataspaces.py",
    "tests/e2e/test_upgrade.py",  # not while the copies of all workers start
    "tests/e2e/test_access.py",
    "tests/e2e/test_states.py",
    "tests/e2e/test_waiting.py",
    "tests/e2e/test_ledger.py",
    "tests/e2e/test_dask_trouble.py",
    "tests/e2e/test_examples.py",
    "tests/e2e/test_kill.py",
    "tests/e2e/",
)
"""Modules, and folders, in the order in which they start."""

TOGETHER = ("tests/slurm/", "tests/hub/dataspace/")
"""Folders whose modules stay on one worker: what Slurm tests share takes long to start, and one worker with unit tests
is enough while the others wait for browsers."""


def rank(nodeid: str) -> int:
    """Position of a test's queue; those that no entry names come last."""
    return next((place for place, prefix in enumerate(SLOWEST_FIRST) if nodeid.startswith(prefix)), len(SLOWEST_FIRST))


class Queues(LoadScopeScheduling):
    """One queue for each test module, in the order in which pytest collected them (tests/conftest.py sorts)."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])

    def remove_node(self, node: WorkerController) -> str | None:
        """Hand a crashed worker's queues on, without the test that crashed it (xdist would try that one again)."""
        workload = self.assigned_work.pop(node)
        pending = [(queue, test) for queue in workload.values() for test, completed in queue.items() if not completed]
        if not pending:
            return None
        queue, crashed = pending[0]
        queue[crashed] = True
        left = {scope: queue for scope, queue in workload.items() if not all(queue.values())}
        self.workqueue = OrderedDict({**left, **self.workqueue})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
