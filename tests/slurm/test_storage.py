"""The storage helper that runs as root: results, refusals, and who may run it."""

from __future__ import annotations

import grp
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment

pytestmark = pytest.mark.slurm

GOOD: dict[str, Any] = {"slug": "probe", "members": [], "storage_gb": 0, "closed": False}


def ask(deployment: Deployment, request: Any, *, service: str = "atrium") -> subprocess.CompletedProcess[str]:
    text = request if isinstance(request, str) else json.dumps(request)
    argv = ["runuser", "-u", service, "--", "sudo", "--non-interactive", "--", *deployment.settings.projects.helper]
    return deployment.run(*argv, check=False, text=text)


def config(deployment: Deployment) -> dict[str, str]:
    return dict(json.loads(Path(deployment.settings.projects.helper[-1]).read_text()))


def directory(deployment: Deployment, slug: str = "probe") -> Path:
    return Path(config(deployment)["projects"]) / slug


def group(deployment: Deployment) -> grp.struct_group:
    return grp.getgrnam(config(deployment)["group_prefix"] + "probe")


def may_write(deployment: Deployment, person: str) -> bool:
    file = directory(deployment) / person
    argv = ["runuser", "-u", person, "--", "touch", str(file)]
    return deployment.run(*argv, check=False).returncode == 0


def test_a_directory_for_its_members_alone(deployment: Deployment, founder: str) -> None:
    colleague = deployment.person("colleague")
    for _ in range(2):
        answer = ask(deployment, GOOD | {"members": [founder, colleague]}).stdout
        assert json.loads(answer) == {"remark": "", "left_out": []}
    status = directory(deployment).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, group(deployment).gr_gid, 0o2770)
    assert may_write(deployment, founder)
    assert (directory(deployment) / founder).stat().st_gid == group(deployment).gr_gid
    assert not may_write(deployment, deployment.person("trainer"))

    assert ask(deployment, GOOD | {"members": [founder]}).returncode == 0
    assert not may_write(deployment, colleague), "who left is out"
    assert ask(deployment, GOOD | {"closed": True}).returncode == 0
    assert not may_write(deployment, founder)
    assert (directory(deployment) / founder).exists(), "files stay"


def test_who_is_not_one_of_the_people_is_left_out_and_said(deployment: Deployment, founder: str) -> None:
    done = ask(deployment, GOOD | {"members": [founder, "atrium", "root", "nobody-here"]})
    names = ["atrium", "nobody-here", "root"]
    assert json.loads(done.stdout) == {"remark": f"no account here: {', '.join(names)}", "left_out": names}
    assert group(deployment).gr_mem == [founder]


@pytest.mark.parametrize(
    "request_",
    [
        GOOD | {"slug": "../etc"},
        GOOD | {"slug": "probe\n"},
        GOOD | {"slug": "a/b"},
        GOOD | {"slug": "-rf"},
        GOOD | {"slug": "x" * 40},
        GOOD | {"slug": ["probe"]},
        GOOD | {"members": "root"},
        GOOD | {"members": ["-x"]},
        GOOD | {"members": ["a,b"]},
        GOOD | {"members": ["a\n"]},
        GOOD | {"storage_gb": -1},
        GOOD | {"storage_gb": True},
        GOOD | {"storage_gb": "1; reboot"},
        GOOD | {"closed": "no"},
        GOOD | {"mode": "0777"},
        [],
        "",
        "{",
        '"' + "x" * 200_000 + '"',
    ],
    ids=lambda request: str(request)[:60],
)
def test_what_is_no_request_is_refused_in_a_sentence(deployment: Deployment, request_: Any) -> None:
    before = sorted(directory(deployment, "").iterdir())
    done = ask(deployment, request_)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert sorted(directory(deployment, "").iterdir()) == before


def test_a_link_or_another_s_directory_in_the_way_is_left_alone(deployment: Deployment, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    link, other = directory(deployment, "probe-link"), directory(deployment, "probe-other")
    link.symlink_to(tmp_path)
    other.mkdir()
    os.chown(other, 65534, 65534)
    try:
        for slug in ("probe-link", "probe-other"):
            assert ask(deployment, GOOD | {"slug": slug}).returncode == 1
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
        assert other.stat().st_uid == 65534
    finally:
        link.unlink()
        other.rmdir()


def test_a_group_that_was_not_made_here_is_left_alone(deployment: Deployment, founder: str) -> None:
    name = config(deployment)["group_prefix"] + "foreign"
    subprocess.run(["groupadd", name], check=True, timeout=30)
    try:
        done = ask(deployment, GOOD | {"slug": "foreign", "members": [founder]})
        assert (done.returncode, grp.getgrnam(name).gr_mem) == (1, [])
        assert not directory(deployment, "foreign").exists()
    finally:
        subprocess.run(["groupdel", name], check=True, timeout=30)


@pytest.mark.parametrize("service", ["atrium-web", "nobody"])
def test_only_the_service_user_may_run_it(deployment: Deployment, service: str) -> None:
    assert "password is required" in ask(deployment, GOOD, service=service).stderr


def test_none_of_the_people_may_run_it(deployment: Deployment, founder: str) -> None:
    assert "password is required" in ask(deployment, GOOD, service=founder).stderr


@pytest.mark.parametrize("change", ["other config", "one more word", "no isolation", "python alone", "as a person"])
def test_the_rule_is_for_this_command_word_by_word(deployment: Deployment, founder: str, change: str) -> None:
    python, flag, helper, path = deployment.settings.projects.helper
    argv = {
        "other config": [python, flag, helper, "/tmp/config.json"],
        "one more word": [python, flag, helper, path, "x"],
        "no isolation": [python, helper, path],
        "python alone": [python, "-c", "print(1)"],
        "as a person": ["-u", founder, python, flag, helper, path],
    }[change]
    done = deployment.run("runuser", "-u", "atrium", "--", "sudo", "--non-interactive", *argv, check=False)
    assert "password is required" in done.stderr


def test_what_runs_as_root_can_be_changed_by_root_alone(deployment: Deployment) -> None:
    for part in deployment.settings.projects.helper[2:]:
        for path in (Path(part), *list(Path(part).parents)[:3]):
            status = path.stat()
            assert status.st_uid == 0, path
            assert not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_a_config_that_others_can_write_is_refused(deployment: Deployment) -> None:
    path = Path(deployment.settings.projects.helper[-1])
    path.chmod(0o666)
    try:
        done = ask(deployment, GOOD)
        assert (done.returncode, "writable for nobody else" in done.stderr) == (1, True)
    finally:
        path.chmod(0o644)
