"""Weaknesses that ``atrium check`` reports: each one alone, and none where all walls stand."""

import pytest

from hub.programs.isolation import weaknesses
from hub.settings import Dataspace, Hub, Mail, Paths, Settings, Site
from hub.slurm.commands import parse_configuration

CONFINED = {"proctracktype": "proctrack/cgroup", "taskplugin": "task/cgroup,task/affinity", "privatedata": "jobs,usage"}


@pytest.fixture
def walled(tmp_path, monkeypatch):
    """Settings without a weakness."""
    etc = tmp_path / "etc"
    (etc / "secrets").mkdir(parents=True)
    (etc / "atrium.toml").write_text("")
    for path in (etc, etc / "secrets", etc / "atrium.toml"):
        path.chmod(0o755)
    monkeypatch.setenv("ATRIUM_CONFIG", str(etc / "atrium.toml"))
    return Settings(
        site=Site(public_url="https://atrium.example.eu"),
        hub=Hub(internal_ssl=True),
        paths=Paths(etc=etc),
        mail=Mail(smtp_host="mail.example.eu"),
        dataspace=Dataspace(allowed_hosts=("10.1.0.0/16", "data.example.eu")),
    )


def test_nothing_is_reported_where_all_walls_stand(walled):
    assert weaknesses(walled, CONFINED) == []


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("site", {"origins": "path"}, "site.origins"),
        ("site", {"accept_shared_origin_risk": True}, "site.accept_shared_origin_risk"),
        ("site", {"public_url": "http://atrium.example.eu"}, "site.public_url"),
        ("hub", {"internal_ssl": False}, "hub.internal_ssl"),
        ("mail", {"smtp_security": "none"}, "mail.smtp_security"),
        ("dataspace", {"allowed_hosts": ("127.0.0.0/8",)}, "dataspace.allowed_hosts"),
        ("dataspace", {"allowed_hosts": ("169.254.169.254",)}, "dataspace.allowed_hosts"),
    ],
)
def test_a_setting_that_weakens_a_wall_is_reported(walled, section, values, expected):
    weakened = walled.model_copy(update={section: getattr(walled, section).model_copy(update=values)})

    (sentence,) = weaknesses(weakened, CONFINED)

    assert expected in sentence


@pytest.mark.parametrize("name", ["", "atrium.toml", "secrets"])
def test_files_that_others_can_change_are_reported(walled, name):
    path = walled.paths.etc / name
    path.chmod(0o775)

    (sentence,) = weaknesses(walled, CONFINED)

    assert sentence.startswith(f"{path} ")


@pytest.mark.parametrize(
    ("key", "value"),
    [("proctracktype", "proctrack/linuxproc"), ("taskplugin", "task/none"), ("privatedata", "none")],
)
def test_a_slurm_that_does_not_confine_jobs_is_reported(walled, key, value):
    assert len(weaknesses(walled, CONFINED | {key: value})) == 1


def test_a_silent_slurm_is_unknown_and_not_safe(walled):
    (sentence,) = weaknesses(walled, None)

    assert "unknown" in sentence


def test_plain_http_is_not_reported_on_this_machine_alone(walled):
    local = walled.model_copy(update={"site": Site(public_url="http://localhost:8000")})

    assert weaknesses(local, CONFINED) == []


def test_the_configuration_of_slurm_is_read():
    text = "Configuration data as of 2026-11-30\nProctrackType   = proctrack/linuxproc\nPrivateData = jobs,usage\n"

    assert parse_configuration(text) == {"proctracktype": "proctrack/linuxproc", "privatedata": "jobs,usage"}
