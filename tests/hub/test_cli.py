"""The command line, as an admin sees it."""

import json

import pytest

from hub import cli, environment
from hub import settings as deployment
from hub.projects.models import ProjectState
from hub.projects.tables import Project
from tests.hub.fakes import FakeGroups


@pytest.fixture
def atrium(settings, monkeypatch, capsys):
    """``atrium …`` on the test's deployment: exit code, what it said, what it complained about."""
    monkeypatch.setattr(deployment, "load", lambda: settings)

    def run(*argv):
        code = cli.main(argv)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def test_migrate_makes_the_database(atrium):
    assert atrium("announce", "too early")[0] == 1
    assert atrium("migrate")[0] == 0
    assert atrium("migrate")[0] == 0
    assert atrium("announce", "Maintenance on Monday", "--severity", "warn", "--ends", "2099-01-01T12:00") == (
        0,
        "announcement 1\n",
        "",
    )


def test_the_state_of_the_database_is_told_and_no_file_is_made(atrium, settings):
    def state(*options):
        code, output, _ = atrium("database", *options)
        return code, json.loads(output)

    file = settings.paths.state / "atrium.sqlite"
    if not file.exists():
        assert state("--project", "demo") == (0, {"schema": "missing", "has_project": False})
        assert atrium("announce", "too early")[0] == 1
        assert not file.exists()
    atrium("migrate")
    assert state("--project", "demo") == (0, {"schema": "current", "has_project": False})


def test_every_project_can_be_provisioned_again(atrium, slurm, sessions, monkeypatch):
    monkeypatch.setattr("hub.projects.jobs.SlurmClient", lambda _settings: slurm)
    monkeypatch.setattr("hub.projects.jobs.HubGroups", lambda _http, _token: FakeGroups())
    atrium("project", "create", "steel", "--cpu-hours", "100", "--lead", "founder")
    assert json.loads(atrium("database", "--project", "steel")[1]) == {"schema": "current", "has_project": True}
    assert atrium("project", "provision") == (0, "1 projects are provisioned again by the worker\n", "")
    with sessions() as session:
        assert session.query(Project).one().state is ProjectState.PROVISIONING


def test_a_project_is_made_twice_without_harm(atrium, slurm, monkeypatch):
    monkeypatch.setattr("hub.projects.jobs.SlurmClient", lambda _settings: slurm)
    monkeypatch.setattr("hub.projects.jobs.HubGroups", lambda _http, _token: FakeGroups())
    atrium("migrate")
    create = (
        "project",
        "create",
        "demo",
        "--cpu-hours",
        "100",
        "--lead",
        "founder",
        "--member",
        "founder",
        "colleague",
    )
    for _ in range(2):
        code, output, _ = atrium(*create)
        assert (code, output) == (0, "project demo: active, 2 members\n")
    assert slurm.members == {"demo": ["founder", "colleague"]}


def test_an_error_is_one_sentence(atrium):
    code, _, complaint = atrium("project", "create", "Demo!", "--cpu-hours", "100")
    assert code == 1
    assert complaint.startswith("atrium: slug: ")
    assert complaint.count("\n") == 1


def test_check_prints_a_line_for_each_part(atrium, settings, slurm, monkeypatch):
    monkeypatch.setattr("hub.programs.check.SlurmClient", lambda _settings: slurm)
    code, output, _ = atrium("check")
    assert code == 1
    assert [line.split()[:2] for line in output.splitlines() if "WARN" not in line] == [
        ["settings", "ok"],
        ["secrets", "ok"],
        ["programme", "ok"],
        ["tls", "ok"],
        ["database", "BAD"],
        ["slurm", "ok"],
    ]
    assert "isolation WARN Slurm has ProctrackType=proctrack/linuxproc" in output
    assert "slurm     WARN Slurm has no partition 'gpu' (slurm.gpu_partition)" in output
    atrium("migrate")
    assert atrium("check")[0] == 0

    (settings.paths.secrets / "worker").chmod(0o644)
    slurm.break_after = 0
    code, output, _ = atrium("check")
    assert code == 1
    assert "0644" in output
    assert "has not answered" in output
    assert "isolation of jobs is unknown" in output
    assert "secret-of" not in output


def test_the_hub_and_the_dashboards_become_other_programs(atrium, settings, monkeypatch, tmp_path):
    became = []
    monkeypatch.setenv("SOME_TOKEN", "x")
    monkeypatch.setattr(environment, "become", lambda argv, variables: became.append((argv, variables)))
    atrium("hub")
    atrium("dashboards")
    [(hub, hub_variables), (dashboards, dashboards_variables)] = became
    assert hub[1:5] == ["-P", "-m", "spawners.application", "-f"]
    assert dashboards == [f"{settings.paths.user_version}/bin/python", "-P", "-m", "widgets.service.server"]
    assert dashboards_variables["JUPYTERHUB_API_TOKEN"] == "secret-of-dashboards"
    assert "SOME_TOKEN" not in hub_variables.keys() | dashboards_variables.keys()
