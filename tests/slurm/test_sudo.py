"""The sudo rule: three commands, only as members of one group, never as root."""

from __future__ import annotations

import pytest

from tests.deployment import Deployment

pytestmark = pytest.mark.slurm


def as_service(deployment: Deployment, service: str, user: str, *command: str) -> str:
    """ "allowed", or "refused" when sudo itself says no."""
    argv = ["runuser", "-u", service, "--", "sudo", "--non-interactive", f"--user={user}", "--", *command]
    done = deployment.run(*argv, check=False)
    return "refused" if "a password is required" in done.stderr or "not allowed" in done.stderr else "allowed"


@pytest.mark.parametrize("command", ["/usr/bin/sbatch", "/usr/bin/scancel"])
def test_slurms_commands_as_one_of_the_people(deployment: Deployment, founder: str, command: str) -> None:
    assert as_service(deployment, "atrium", founder, command, "--version") == "allowed"


@pytest.mark.parametrize("command", ["/usr/bin/id", "/bin/sh", "/usr/bin/squeue", "/usr/bin/scontrol", "/usr/bin/env"])
def test_another_command_is_refused(deployment: Deployment, founder: str, command: str) -> None:
    assert as_service(deployment, "atrium", founder, command, "--version") == "refused"


@pytest.mark.parametrize("user", ["root", "atrium-web", "slurm", "munge", "#0", "nobody"])
def test_nobody_outside_the_group(deployment: Deployment, user: str) -> None:
    assert as_service(deployment, "atrium", user, "/usr/bin/sbatch", "--version") == "refused"


@pytest.mark.parametrize("service", ["atrium-web", "nobody", "munge"])
def test_another_service_user_is_refused(deployment: Deployment, founder: str, service: str) -> None:
    assert as_service(deployment, service, founder, "/usr/bin/sbatch", "--version") == "refused"


def test_the_people_may_not_act_as_each_other(deployment: Deployment, founder: str) -> None:
    assert as_service(deployment, founder, deployment.person("colleague"), "/usr/bin/sbatch", "--version") == "refused"
