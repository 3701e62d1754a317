"""A real worker process: harvests, indexes and judges by itself, and is killed in the middle of it."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy import select

from hub.dataspace.search.index import TantivyIndex
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import RunState
from hub.dataspace.tables import RecordRow
from tests.hub.dataspace.conftest import Reply
from tests.hub.dataspace.sources.test_harvester import page
from tests.polling import eventually

pytestmark = pytest.mark.process

PAGES = 4


def test_a_worker_that_is_killed_finishes_after_its_restart(sessions, settings, site, tmp_path):
    reached, go_on = threading.Event(), threading.Event()

    def third(_site_request):
        reached.set()
        go_on.wait(60)
        return Reply(page("d2", more=_next(2)).encode(), headers={"Content-Type": "text/turtle"})

    for number in range(PAGES):
        site.turtle(f"/{number}", page(f"d{number}", more=_next(number) if number < PAGES - 1 else ""))
    site.pages["/2"] = third
    config = tmp_path / "atrium.toml"
    config.write_text(
        f'[paths]\netc = "{tmp_path}"\nstate = "{settings.paths.state}"\n'
        f'[api]\ndatabase_url = "{settings.api.database_url}"\n[slurm]\nbin = "{tmp_path}"\n'
        f'[dataspace]\nallowed_hosts = ["127.0.0.1"]\nharvest_seconds = 1\nquality_seconds = 1\n'
        "[worker]\ntick_seconds = 1\n"
        f'[[dataspace.sources]]\nname = "cat"\ntitle = "Cat"\nspace = "Test"\naddress = "{site.url}/0"\n'
    )
    first = _worker(config)
    try:
        assert reached.wait(60), "the third page was never asked for"
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    finally:
        first.kill()
        go_on.set()
    assert TantivyIndex(settings.paths.state / "dataspace").size() == 0

    second = _worker(config)
    try:
        index = TantivyIndex(settings.paths.state / "dataspace")
        eventually(lambda: index.size() == PAGES, within=90, what="all records are in the index")
        eventually(lambda: _judged(sessions) == PAGES, within=120, what="all records are judged")
    finally:
        second.terminate()
        second.communicate(timeout=60)
    with sessions() as session:
        [run] = sources.runs(session, "cat")
    assert (run.state, run.pages, run.new) == (RunState.COMPLETE, PAGES, PAGES)
    paths = [site_request.path for site_request in site.requests]
    assert paths.count("/0") == paths.count("/1") == paths.count("/3") == 1  # what was read is not asked for again


def _next(number):
    return f"</{number}> <http://www.w3.org/ns/hydra/core#next> </{number + 1}> ."


def _worker(config):
    environment = os.environ | {"ATRIUM_CONFIG": str(config)}
    return subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "worker"], env=environment, stderr=subprocess.PIPE, text=True
    )


def _judged(sessions):
    with sessions() as session:
        return len(session.scalars(select(RecordRow.id).where(RecordRow.checked, RecordRow.indexed)).all())
