from datetime import timedelta

from sqlalchemy import text

from hub.db.base import now
from hub.health.service import SLURM, WORKER, seen
from hub.health.tables import SignOfLife


def test_health_is_ok_when_all_parts_answer(api, session):
    for part in (WORKER, SLURM):
        seen(session, part)
    answer = api.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": answer.json()["version"],
        "checks": {"database": "ok", "worker": "ok", "slurm": "ok"},
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
    assert answer.json()["checks"] == {"database": "no answer"}
    assert "sqlite" not in answer.text.lower()
