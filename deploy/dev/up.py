"""``make up``: installs and starts everything, from a bare machine or an earlier state."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial

from deploy.dev import (
    databases,
    environments,
    files,
    health,
    logins,
    packages,
    preflight,
    running,
    settings,
    slurm,
    unused,
    versions,
)
from deploy.dev.accounts import Accounts
from deploy.dev.command import attempt
from deploy.dev.databases import atrium
from deploy.dev.errors import DeployError
from deploy.dev.layout import CHECKOUT, Layout
from deploy.dev.locks import accounts_locked, environments_locked
from deploy.dev.logins import Login
from deploy.dev.programs import (
    Program,
    atrium_environment,
    given_settings,
    programs,
    slurm_programs,
    supervisor_conf,
    web_programs,
)
from deploy.dev.steps import step
from deploy.dev.supervisor import Supervisor

_CHECK_DEADLINE = 60.0


def up(layout: Layout, *, only_slurm: bool = False) -> None:
    """Set up everything, or only accounts and Slurm (for tests of the Slurm side)."""
    began = time.monotonic()
    preflight.check(layout)
    print(f"Atrium, {'the main copy' if not layout.slug else f'the copy below {layout.root}'}", flush=True)
    _install(layout, only_slurm=only_slurm)
    with accounts_locked():
        fresh = _lay_down(layout)
    required = slurm_programs(layout) if only_slurm else programs(layout)
    supervisor = _supervise(layout, required)
    if layout.own_slurm:
        _start_slurm(layout, supervisor)
    else:
        with step("Slurm of this machine") as outcome:
            outcome.text = slurm.adopt(layout)
    if not only_slurm:
        _start_web(layout, supervisor)
        _demo_project(layout)
    running.settle(supervisor, required)
    _remove_unused(layout)
    print(f"Ready after {time.monotonic() - began:.1f} s.\n")
    _farewell(layout, fresh)


def _install(layout: Layout, *, only_slurm: bool) -> None:
    with step("Debian packages") as outcome:
        installed = packages.ensure(packages.required(own_slurm=layout.own_slurm))
        outcome.unchanged_unless(installed, f"installed {' '.join(installed)}")
    with environments_locked(layout.environments):
        with step("Environments (Python, Node)") as outcome:
            built = environments.ensure(layout, ["hub"] if only_slurm else environments.NAMES)
            outcome.unchanged_unless(built, f"built {' '.join(built)}")
        if only_slurm:
            versions.ensure_supervisor(layout)
            return
        with step("Edited settings") as outcome:
            outcome.text = "checked" if _check_settings(layout) else "none"
        with step("Atrium's code") as outcome:
            outcome.unchanged_unless(versions.ensure(layout), "installed")


def _remove_unused(layout: Layout) -> None:
    with step("Versions no longer in use") as outcome:
        try:
            removed = unused.remove(layout)
        except DeployError as error:
            outcome.text = f"kept: {error}"
        else:
            outcome.unchanged_unless(removed, f"removed {removed}")


def _check_settings(layout: Layout) -> bool:
    """Check settings that an administrator edited or gave as variables; whether there are any.

    It is done with this checkout's code before that is installed, so that nothing of a running copy changes when they
    are wrong. A file that nobody edited is written anew by :func:`_lay_down`, so it is not looked at.
    """
    edited = files.is_edited(layout.settings, layout.etc / "written.json")
    if not edited and not given_settings():
        return False
    environment = atrium_environment(layout, layout.state)
    environment |= {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    if not edited:
        environment["ATRIUM_CONFIG"] = os.devnull
    argv = [str(environments.base(layout, "hub") / "bin/python"), "-P", "-m", "hub.cli", "check", "--settings-only"]
    result = attempt(argv, deadline=_CHECK_DEADLINE, environment=environment)
    if result.returncode:
        problems = result.stderr.strip().removeprefix("atrium: ").replace("\n", "\n  ")
        raise DeployError(f"The settings are wrong, so nothing was stopped or restarted:\n  {problems}")
    return True


def _lay_down(layout: Layout) -> list[Login]:
    """Create accounts, directories and files; returns new logins."""
    accounts = Accounts(layout)
    files.directory(layout.etc)
    with step("OS groups and service users") as outcome:
        changes = [accounts.ensure_services(), accounts.ensure_groups()]
        outcome.unchanged_unless(any(changes))
    settings.lay_down_directories(layout)
    with step("Demo people") as outcome:
        new = [person.name for person in logins.people(layout.options.people) if accounts.create(person.name)]
        fresh = logins.ensure(layout)
        outcome.unchanged_unless(new or fresh, f"{len(new)} accounts, {len(fresh)} logins")
    remarks: list[str] = []
    with step("Secrets, sign-in, sudo rules") as outcome:
        changed = [
            settings.lay_down_secrets(layout),
            settings.lay_down_sign_in(layout),
            settings.lay_down_project_helper(layout),
            settings.lay_down_sudo(layout),
        ]
        outcome.unchanged_unless(any(changed))
    with step("Settings") as outcome:
        remarks += filter(None, [settings.lay_down_settings(layout)])
        if layout.own_slurm:
            remarks += slurm.lay_down(layout)
        outcome.text = "; ".join(remarks) or "checked"
    files.put(layout.etc / "options.json", layout.options.text())
    return fresh


def _supervise(layout: Layout, required: list[Program]) -> Supervisor:
    supervisor = Supervisor(layout)
    with step("Supervisor") as outcome:
        files.put(layout.supervisor_conf, supervisor_conf(layout, required), mode=0o600)
        ended = 0 if supervisor.alive() else running.end_leftovers(layout)
        started = supervisor.ensure()
        outcome.unchanged_unless(started, f"started, ended {ended} leftovers" if ended else "started")
    return supervisor


def _start_slurm(layout: Layout, supervisor: Supervisor) -> None:
    """Start Slurm's programs one after the other, and the nodes together."""
    munge, mariadb, slurmdbd, slurmctld, *nodes = slurm_programs(layout)
    _start(layout, supervisor, munge)
    _start(layout, supervisor, mariadb)
    slurm.open_database(layout)
    _start(layout, supervisor, slurmdbd)
    with step("Slurm's accounts") as outcome:
        outcome.unchanged_unless(slurm.register(layout))
    _start(layout, supervisor, slurmctld)
    with step("Slurm's limits") as outcome:
        outcome.unchanged_unless(slurm.set_limits(layout))
    with step(f"slurmd on {len(nodes)} virtual nodes") as outcome:
        changes = [running.start(supervisor, node) for node in nodes]
        slurm.resume_nodes(layout)
        for node in nodes:
            running.wait(layout, supervisor, node)
        outcome.unchanged_unless(any(changes), max(changes))


def _start_web(layout: Layout, supervisor: Supervisor) -> None:
    """Migrate the database, then start every program and wait until it answers."""
    required = web_programs(layout)
    with step("Databases") as outcome:
        outcome.text = databases.prepare(layout, supervisor, required)
    if health.internal_tls(layout) is not None:
        with step("Internal certificates") as outcome:
            atrium(layout, "certificates")
            outcome.unchanged_unless(settings.lay_down_certificate(layout))
    for program in required:
        answers = replace(program, check=partial(health.hub_api, layout)) if program.name == "hub" else program
        _start(layout, supervisor, answers)
        if program.name == "hub":
            _bring_routes(layout)
        if program.name == "nginx":
            with step("nginx's configuration") as outcome:
                outcome.text = atrium(layout, "nginx", "--reload").strip()
    databases.remember(layout)


def _bring_routes(layout: Layout) -> None:
    """A Hub whose origins changed takes its services' old routes away and thinks of the new ones minutes later."""
    if health.proxy(layout):
        atrium(layout, "routes")


def _start(layout: Layout, supervisor: Supervisor, program: Program) -> None:
    with step(program.name) as outcome:
        changed = running.start(supervisor, program)
        running.wait(layout, supervisor, program)
        outcome.unchanged_unless(changed, changed)


def _demo_project(layout: Layout) -> None:
    """Create a project for all demo people, so that a notebook can start without an application."""
    everybody = [person.name for person in logins.people(layout.options.people)]
    (lead,) = logins.names_with("founder", layout)
    argv = ["project", "create", "demo", "--title", "Demo project", "--account", "demo"]
    argv += ["--cpu-hours", "2000", "--gpu-hours", "200", "--lead", lead]
    for name in everybody:
        argv += ["--member", name] if name != lead else []
    stamp, current = layout.state / "stamps/demo-project", files.fingerprint([repr(argv).encode()])
    with step("Demo project") as outcome:
        if stamp.exists() and stamp.read_text() == current and databases.has_project(layout, "demo"):
            outcome.text = "unchanged"
            return
        atrium(layout, *argv)
        files.put(stamp, current)


def _farewell(layout: Layout, fresh: list[Login]) -> None:
    where = layout.etc / "demo-logins.json"
    if fresh:
        print(f"Logins of the demo, shown this once (they are kept for root in {where}):")
        for login in fresh:
            print(f"  {login.name:<14} {login.password}   {login.role}")
    else:
        print(f"Logins of the demo are in {where}.")
    print(
        f"\nOpen {settings.public_url(layout)} and sign in as {layout.options.people}founder. Try first:\n"
        "  1. Start a notebook: it is a Slurm job of yours (squeue shows it).\n"
        "  2. Open the dashboards Onboarding and Data spaces; Scaling opens inside your notebook.\n"
        "  3. make status, make logs, make down."
    )
