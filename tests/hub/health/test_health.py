import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.db.base import now
from hub.db.engine import sqlite_file
from hub.health.service import SLURM, WORKER, seen
from hub.health.tables import SignOfLife
from hub.settings import Disk


@pytest.fixture
def settings(settings, request):
    """Without a warning of this machine's disk, unless a test names a threshold."""
    return settings.model_copy(update={"disk": Disk(warn_gb=getattr(request, "param", 0))})


def test_health_is_ok_when_all_parts_answer(api, session):
    for part in (WORKER, SLURM):
        seen(session, part)
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": answer.json()["version"],
        "checks": {"database": "ok", "worker": "ok", "slurm": "ok", "storage": "ok"},
    }


def test_a_worker_that_never_came(api):
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["checks"]["worker"] == "no sign of life yet"


def test_a_worker_that_went_silent(api, session):
    seen(session, SLURM)
    session.add(SignOfLife(part=WORKER, at=now() - timedelta(hours=1)))
    session.commit()
    checks = api.get("/health").json()["checks"]
    assert checks["worker"].startswith("no sign of life since ")
    assert checks["slurm"] == "ok"


def test_without_a_database_nothing_works(api, engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE signs_of_life"))
    answer = api.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "no answer", "storage": "ok"}
    assert "sqlite" not in answer.text.lower()


@pytest.mark.parametrize("settings", [1e9], indirect=True)
def test_storage_that_is_nearly_full_is_a_warning_without_paths(api, settings):
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert re.fullmatch(r"nearly full: state: [0-9.]+ GB free.*", answer.json()["checks"]["storage"])
    assert str(settings.paths.state) not in answer.text


def test_a_database_file_that_is_gone_is_not_healthy(api, settings):
    file = sqlite_file(settings.api.database_url)
    if file is None:
        pytest.skip("PostgreSQL has no file")
    assert api.get("/health").status_code == 200
    content = file.read_bytes()
    file.unlink()
    answer = api.get("/health")
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "its file is missing")
    assert not file.exists()
    file.write_bytes(content)
    assert api.get("/health").status_code == 200
