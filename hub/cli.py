"""``atrium``: the command line. It starts every program of a deployment and offers commands for admins."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from hub import settings as deployment
from hub.announcements.models import Severity
from hub.db.engine import make_engine, make_sessions
from hub.errors import AtriumError
from hub.projects.models import MemberRole, ProjectSpec
from hub.projects.tables import Project
from hub.settings import Settings
from hub.validation import invalid_input

Arguments = argparse.Namespace
Command = Callable[[Settings, Arguments], bool | None]
"""Runs one command; returns False if it failed and has printed why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error is one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)  # other accounts must not read files that are written here
    _log_to_standard_error()
    try:
        return 1 if arguments.command(arguments) is False else 0
    except AtriumError as error:
        sys.stderr.write(f"atrium: {error.message} {error.hint}".rstrip() + "\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"atrium: The database cannot be used: {error.args[0]}\n")
    return 1


# -- programs that keep running ---------------------------------------------------------------------------------------


def _hub(settings: Settings, _arguments: Arguments) -> None:
    from hub import environment, tls

    tls.ensure(settings)
    # -P: Python does not import from the working directory.
    config = str(environment.shared_file("jupyterhub_config.py"))
    environment.become([sys.executable, "-P", "-m", "spawners.application", "-f", config], environment.settings_too())


def _api(settings: Settings, _arguments: Arguments) -> None:
    from hub import app

    app.serve(settings)


def _worker(settings: Settings, _arguments: Arguments) -> None:
    from hub.programs import worker

    worker.run(settings)


def _nginx(settings: Settings, arguments: Arguments) -> None:
    from hub import tls
    from hub.programs import nginx

    if arguments.write:  # root does it, who may not own the certificates
        nginx.write(settings, arguments.write)
        return
    tls.ensure(settings)
    if arguments.reload:
        _say("reloaded" if nginx.reload(settings) else "unchanged")
    else:
        nginx.run(settings)


def _proxy(settings: Settings, _arguments: Arguments) -> None:
    from hub.programs import proxy

    proxy.run(settings)


def _dashboards(settings: Settings, _arguments: Arguments) -> None:
    from hub.programs import dashboards

    dashboards.run(settings)


# -- by hand, or by the installation ----------------------------------------------------------------------------------


def _certificates(settings: Settings, _arguments: Arguments) -> None:
    from hub import tls

    tls.ensure(settings)


def _routes(settings: Settings, _arguments: Arguments) -> bool:
    from hub.programs import proxy

    return proxy.restore_routes(settings)


def _migrate(settings: Settings, _arguments: Arguments) -> None:
    from hub import migrations

    with _database(settings, existing=False) as engine:
        migrations.upgrade(engine)


def _database_state(settings: Settings, arguments: Arguments) -> None:
    from hub import migrations
    from hub.projects import service

    with _database(settings, existing=False) as engine:
        state = migrations.schema(engine)
        has_project = False
        if state == "current" and arguments.project:
            with make_sessions(engine)() as session:
                has_project = service.is_known(session, arguments.project)
    _say(json.dumps({"schema": state, "has_project": has_project}))


def _check(settings: Settings, arguments: Arguments) -> bool:
    _say(f"settings  ok  {deployment.config_path()}")  # reading them has checked them
    if arguments.settings_only:
        return True
    from hub.programs import check

    return check.run(settings, _say)


def _reference(_arguments: Arguments) -> None:
    from hub import settings_reference

    sys.stdout.write(settings_reference.markdown())


def _project_create(settings: Settings, arguments: Arguments) -> None:
    from hub.calls import programme as policy
    from hub.projects import phases, service

    members = dict.fromkeys(arguments.member, MemberRole.MEMBER) | dict.fromkeys(arguments.lead, MemberRole.LEAD)
    spec = _project_spec(arguments, members)
    with _database(settings) as engine, make_sessions(engine)() as session:
        project = service.record(session, spec, who="admin", today=policy.today(settings))
        phases.update_phases(session, settings, policy.today(settings))
        asyncio.run(_provision(settings, session, project))
        _say(f"project {project.slug}: {project.state}, {len(project.members)} members")


def _project_provision(settings: Settings, _arguments: Arguments) -> None:
    from hub.projects import service

    with _database(settings) as engine, make_sessions(engine)() as session:
        _say(f"{service.provision_all(session)} projects are provisioned again by the worker")


async def _provision(settings: Settings, session: Session, project: Project) -> None:
    from hub.projects import jobs, provisioning

    async with jobs.backends(settings) as backends:
        await provisioning.provision(session, backends, project)


def _project_spec(arguments: Arguments, members: dict[str, MemberRole]) -> ProjectSpec:
    try:
        return ProjectSpec(
            slug=arguments.slug,
            title=arguments.title or arguments.slug,
            account=arguments.account or arguments.slug,
            cpu_hours=arguments.cpu_hours,
            gpu_hours=arguments.gpu_hours,
            storage_gb=arguments.storage_gb,
            starts=arguments.starts,
            until=arguments.until,
            members=members,
        )
    except ValidationError as error:
        raise invalid_input(error, subject="project") from error


def _announce(settings: Settings, arguments: Arguments) -> None:
    from hub.announcements import service

    with _database(settings) as engine, make_sessions(engine)() as session:
        added = service.add(session, arguments.text, Severity(arguments.severity), ends=arguments.ends)
        _say(f"announcement {added.id}")


# -- the command line -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="atrium", description="The programs of an Atrium deployment.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("hub", _hub, "JupyterHub"),
        ("api", _api, "the API"),
        ("worker", _worker, "the background jobs"),
        ("proxy", _proxy, "the proxy that knows where people's servers are"),
        ("dashboards", _dashboards, "the dashboards service, in the user environment"),
        ("certificates", _certificates, "make and renew the certificates for internal TLS, if it is on"),
        ("routes", _routes, "make the Hub send its routes to the proxy now"),
        ("migrate", _migrate, "migrate the API's database to the current schema"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(command=_configured(command))
    _add_nginx(commands.add_parser("nginx", help="nginx, the public face"))
    _add_database(commands.add_parser("database", help="print the state of the API's database, as JSON"))
    _add_check(commands.add_parser("check", help="check settings, secrets, database and Slurm"))
    commands.add_parser("settings", help="print every setting as Markdown").set_defaults(command=_reference)
    _add_project(commands.add_parser("project", help="create or change projects"))
    _add_announce(commands.add_parser("announce", help="show an announcement on the start page"))
    return parser


def _configured(command: Command) -> Callable[[Arguments], bool | None]:
    """A command that reads the settings first."""
    return lambda arguments: command(deployment.load(), arguments)


def _add_nginx(parser: argparse.ArgumentParser) -> None:
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--reload", action="store_true", help="make the running nginx use the current settings")
    instead.add_argument(
        "--write", type=Path, metavar="DIRECTORY", help="only write the configuration, for a site's own nginx"
    )
    parser.set_defaults(command=_configured(_nginx))


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", default="", metavar="SLUG", help="also print whether this project exists")
    parser.set_defaults(command=_configured(_database_state))


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings-only", action="store_true", help="check only atrium.toml and the variables")
    parser.set_defaults(command=_configured(_check))


def _add_project(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "make the worker provision every project again, as after a restore; safe to repeat"
    commands.add_parser("provision", help=text, description=text).set_defaults(command=_configured(_project_provision))
    create = commands.add_parser("create", help="create a project or change an existing one; safe to repeat")
    create.add_argument("slug")
    create.add_argument("--title", help="default: the slug")
    create.add_argument("--account", help="Slurm account; default: the slug")
    create.add_argument("--cpu-hours", type=int, required=True, help="core hours granted")
    create.add_argument("--gpu-hours", type=int, default=0, help="GPU hours granted")
    create.add_argument("--storage-gb", type=int, default=0, help="0: no quota")
    create.add_argument("--starts", type=date.fromisoformat, metavar="YYYY-MM-DD", help="default: today")
    create.add_argument("--until", type=date.fromisoformat, metavar="YYYY-MM-DD")
    create.add_argument("--lead", nargs="+", default=[], metavar="NAME", action="extend")
    create.add_argument("--member", nargs="+", default=[], metavar="NAME", action="extend")
    create.set_defaults(command=_configured(_project_create))


def _add_announce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text")
    parser.add_argument("--severity", choices=[severity.value for severity in Severity], default=Severity.INFO.value)
    parser.add_argument("--ends", type=_moment, metavar="YYYY-MM-DDTHH:MM", help="UTC unless a zone is given")
    parser.set_defaults(command=_configured(_announce))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _database(settings: Settings, *, existing: bool = True) -> Iterator[Engine]:
    engine = make_engine(settings.api.database_url, existing=existing)
    try:
        yield engine
    finally:
        engine.dispose()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _log_to_standard_error() -> None:
    """Log to standard error, which the supervisor stores; libraries that log every request or job only warn."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx2", "huey", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
