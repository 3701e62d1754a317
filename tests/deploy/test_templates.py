"""Contents of generated files, for the main copy and for a prefixed one."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from deploy.dev import settings, slurm
from deploy.dev.errors import DeployError
from deploy.dev.layout import CHECKOUT, NODES, Layout, Options
from deploy.dev.programs import programs, supervisor_conf, web_programs
from hub.settings import SecretName, Settings

LAYOUTS = [Layout(Options()), Layout(Options(prefix="/srv/x", port=9400, people="t-"))]


@pytest.fixture(params=LAYOUTS, ids=["main", "prefixed"])
def layout(request: pytest.FixtureRequest) -> Layout:
    chosen: Layout = request.param
    return chosen


def test_settings_are_those_the_hub_knows(layout: Layout) -> None:
    tables: dict[str, dict[str, Any]] = tomllib.loads(settings.settings_text(layout))
    for name, table in tables.items():
        section = Settings.model_fields[name].annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        section.model_validate(table)
    assert tables["nginx"]["port"] == layout.options.port
    assert tables["login"]["admins"] == [f"{layout.options.people}admin"]


def test_a_new_copy_has_internal_tls_and_an_existing_one_keeps_its_value(tmp_path: Path) -> None:
    """An upgrade changes nothing that running servers depend on, whether somebody edited the file or not."""
    layout = Layout(Options(prefix=str(tmp_path), port=9400))
    layout.etc.mkdir(parents=True)

    def written() -> object:
        return tomllib.loads(settings.settings_text(layout))["hub"]["internal_ssl"]

    assert written() is True
    for text, value in (
        ("[hub]\nport = 9402\n", False),
        ("", False),
        ("[hub]\ninternal_ssl = false\n", False),
        ("[hub]\ninternal_ssl = true\n", True),
    ):
        layout.settings.write_text(text)
        assert written() is value, text


def test_the_demos_sources_lie_in_the_folder_that_may_be_read(layout: Layout) -> None:
    tables: dict[str, dict[str, Any]] = tomllib.loads(settings.settings_text(layout))
    dataspace = Settings.model_validate({"dataspace": tables["dataspace"]}).dataspace
    [folder] = dataspace.folders
    assert folder == layout.user_env / "share/atrium/demo"
    shipped = CHECKOUT / "deploy/demo"
    assert {source.name for source in dataspace.sources} == {"demo", "belgium"}
    for source in dataspace.sources:
        for path in filter(None, (source.address, source.files)):
            assert (shipped / Path(path).relative_to(folder)).exists()


def test_no_secret_stands_in_settings_or_supervisor(layout: Layout, tmp_path: Path) -> None:
    text = settings.settings_text(layout) + supervisor_conf(layout, programs(layout))
    assert not re.search(r"[0-9a-f]{32}", text)


def test_every_secret_of_the_hub_is_made() -> None:
    assert set(settings.SECRETS) == set(get_args(SecretName))


def test_the_supervisor_can_read_its_configuration(layout: Layout) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(supervisor_conf(layout, programs(layout)))
    for program in programs(layout):
        section = parser[f"program:{program.name}"]
        assert section["autorestart"] == "true"
        assert section["user"] == program.user
    assert parser["unix_http_server"]["chmod"] == "0700"


def test_a_setting_that_is_given_as_a_variable_reaches_atriums_programs(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATRIUM_WORKER__TICK_SECONDS", "1")
    monkeypatch.setenv("ATRIUM_SITE__NAME", '100 % "ours"')
    monkeypatch.setenv("ATRIUM_PREFIX", "/elsewhere")
    environments = {program.name: program.environment for program in programs(layout)}
    assert {environments[name]["ATRIUM_WORKER__TICK_SECONDS"] for name in ("hub", "api", "worker")} == {"1"}
    assert "ATRIUM_WORKER__TICK_SECONDS" not in environments["slurmctld"]
    assert "ATRIUM_PREFIX" not in environments["hub"]
    assert 'ATRIUM_SITE__NAME="100 %% \\"ours\\""' in supervisor_conf(layout, programs(layout))


def test_nothing_of_atrium_runs_as_root(layout: Layout) -> None:
    users = {program.name: program.user for program in web_programs(layout)}
    assert users.pop("dashboards") == "atrium-web"
    assert {"nginx", "proxy", "api", "hub", "worker"} <= set(users)
    assert set(users.values()) == {"atrium"}


def test_a_stopped_slurmd_leaves_its_jobs_alone(layout: Layout) -> None:
    nodes = [program for program in programs(layout) if program.name.startswith("slurmd-")]
    assert [program.name for program in nodes] == [f"slurmd-{node}" for node in NODES]
    assert not any(program.as_group for program in nodes)


def test_slurm_enforces_hours_and_has_its_partitions(layout: Layout) -> None:
    text = slurm.slurm_conf(layout)
    for line in (
        "AccountingStorageEnforce=associations,limits,qos,safe",
        "PriorityDecayHalfLife=0",
        "PriorityUsageResetPeriod=NONE",
        "PriorityType=priority/multifactor",
    ):
        assert f"\n{line}\n" in text
    assert re.findall(r"^PartitionName=(?!DEFAULT)(\w+)", text, re.MULTILINE) == [
        "notebooks",
        "short",
        "batch",
        "gpu",
        "transfer",
    ]
    assert re.findall(r"^NodeName=(\w+)", text, re.MULTILINE) == list(NODES)
    assert re.findall(r"Gres=gpu:(\w+:\d)", text) == ["a100:4", "l40s:4"]
    assert "\nPreemptType=preempt/qos\n" in text
    assert "$" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("small|(null)\nmain*|(null)\nmain*|gpu:h200:2\nfat|(null)\n", ("main", "main", "main", "main")),
        ("main*|(null)\nfast|gpu:a100:4(S:0-1)\n", ("main", "fast", "main", "main")),
        ("first|(null)\nsecond|(null)\n", ("first", "first", "first", "first")),
    ],
)
def test_the_settings_name_partitions_that_the_machines_own_slurm_has(text: str, expected: tuple[str, ...]) -> None:
    assert slurm.sites_partitions(text) == slurm.Partitions(*expected)


def test_the_sudo_rules_name_three_commands_as_people_and_one_as_root(layout: Layout) -> None:
    text = settings.sudoers_text(layout)
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    commands = next(line for line in rules if line.startswith("Cmnd_Alias")).partition("= ")[2].split(", ")
    assert [Path(command).name for command in commands] == ["sbatch", "scancel", "atrium-job-log"]
    assert all(Path(command).is_absolute() for command in commands)
    assert f"= %{layout.users_group}, !root" in text
    assert text.count("NOPASSWD") == 2
    assert text.count("(root)") == 1
    helper = next(line for line in rules if "_PROJECT = " in line).partition("= ")[2]
    assert helper == f"/usr/bin/python3 -I {layout.project_helper} {layout.project_config}"
    assert not set(text.partition("_PROJECT = ")[2].splitlines()[0]) & set("*?[]")  # no word of the caller's choosing


@pytest.mark.skipif(shutil.which("visudo", path="/usr/sbin") is None, reason="sudo is not installed")
def test_visudo_accepts_the_rule(layout: Layout, tmp_path: Path) -> None:
    draft = tmp_path / "rule"
    draft.write_text(settings.sudoers_text(layout))
    draft.chmod(0o440)
    subprocess.run(["/usr/sbin/visudo", "-c", "-q", "-f", str(draft)], check=True, timeout=30)


def test_an_edited_port_that_contradicts_the_options_is_a_sentence(layout: Layout) -> None:
    tables = tomllib.loads(settings.settings_text(layout))
    settings.check_ports(layout, tables)
    tables["hub"]["port"] = 1
    with pytest.raises(DeployError, match=r"\[hub\] port = 1, where ATRIUM_PORT"):
        settings.check_ports(layout, tables)
