"""One copy's paths, ports and names follow from its options, and nothing strange gets into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options


def layout(**environment: str) -> Layout:
    return Layout(Options.read(environment))


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return str(tmp_path)


def test_the_main_copy_lives_where_the_design_says() -> None:
    main = Layout(Options())
    assert str(main.hub_env) == "/opt/atrium/hub"
    assert str(main.settings) == "/etc/atrium/atrium.toml"
    assert [str(path) for path in (main.state, main.log, main.run)] == [
        "/var/lib/atrium",
        "/var/log/atrium",
        "/run/atrium",
    ]
    assert (str(main.projects), str(main.home)) == ("/projects", "/home")
    assert (main.users_group, main.pam_service, main.cluster) == ("atrium-users", "atrium", "atrium")


def test_a_prefixed_copy_keeps_everything_below_its_prefix(prefix: str) -> None:
    copy = layout(ATRIUM_PREFIX=prefix)
    for path in (copy.opt, copy.etc, copy.state, copy.log, copy.run, copy.projects, copy.home, copy.slurm_conf):
        assert path is not None
        assert path.is_relative_to(prefix)


def test_names_of_the_machine_differ_between_copies() -> None:
    copies = [Layout(Options(prefix=prefix)) for prefix in ("", "/srv/x", "/var/tmp/x")]
    for name in ("users_group", "project_group_prefix", "pam_service", "cluster", "sudoers"):
        assert len({getattr(copy, name) for copy in copies}) == 3, name
    assert all(len(copy.users_group) <= 32 for copy in copies)


def test_ports_lie_ten_thousand_above_the_public_one() -> None:
    ports = Layout(Options()).ports
    assert (ports["nginx"], ports["proxy-api"], ports["hub"], ports["api"]) == (8000, 18001, 18002, 18003)
    assert (ports["slurmctld"], ports["slurmdbd"], ports["slurmd-cpu1"], ports["slurmd-gpu2"]) == (
        18010,
        18011,
        18012,
        18016,
    )
    assert len(set(ports.values())) == len(ports)


def test_an_existing_slurm_takes_no_ports_of_ours(prefix: str) -> None:
    copy = layout(ATRIUM_PREFIX=prefix, SLURM="existing")
    assert not [name for name in copy.ports if name.startswith("slurm")]
    assert copy.slurm_conf is None
    assert copy.slurm_environment == {}


@pytest.mark.parametrize("port", ["0", "80", "22001", "99999", "-1", "8000x", " 8000", "8000\n", "٨٠٠٠"])
def test_a_port_out_of_range_is_refused(prefix: str, port: str) -> None:
    with pytest.raises(DeployError, match="ATRIUM_PORT"):
        layout(ATRIUM_PREFIX=prefix, ATRIUM_PORT=port)


@pytest.mark.parametrize(
    "bad", ["srv/x", "/srv/../etc", "/srv/x y", "/srv/x\n", "/srv/$HOME", "/srv/x;id", "/-x", "//srv"]
)
def test_a_prefix_is_a_plain_absolute_path(bad: str) -> None:
    with pytest.raises(DeployError, match="ATRIUM_PREFIX"):
        layout(ATRIUM_PREFIX=bad)


@pytest.mark.parametrize("bad", ["t", "-", "T-", "t-\n", "averylongprefix-", "../-", "0-", "root -"])
def test_a_prefix_of_people_is_short_and_ends_with_a_dash(prefix: str, bad: str) -> None:
    with pytest.raises(DeployError, match="ATRIUM_PEOPLE"):
        layout(ATRIUM_PREFIX=prefix, ATRIUM_PEOPLE=bad)


def test_a_password_in_the_databases_address_is_refused(prefix: str) -> None:
    with pytest.raises(DeployError, match="password"):
        layout(ATRIUM_PREFIX=prefix, ATRIUM_DATABASE_URL="postgresql+psycopg://atrium:hunter2@db/atrium")
    copy = layout(ATRIUM_PREFIX=prefix, ATRIUM_DATABASE_URL="postgresql+psycopg://atrium@db/atrium")
    assert copy.database_url.endswith("@db/atrium")


def test_options_are_remembered_and_overruled(prefix: str) -> None:
    first = Options.read({"ATRIUM_PREFIX": prefix, "ATRIUM_PORT": "9400", "ATRIUM_PEOPLE": "x-"})
    etc = Path(prefix, "etc/atrium")
    etc.mkdir(parents=True)
    (etc / "options.json").write_text(first.text())
    assert Options.read({"ATRIUM_PREFIX": prefix}) == first
    assert Options.read({"ATRIUM_PREFIX": prefix, "ATRIUM_PORT": "9401"}).port == 9401


def test_unreadable_options_are_a_sentence(prefix: str) -> None:
    etc = Path(prefix, "etc/atrium")
    etc.mkdir(parents=True)
    (etc / "options.json").write_text('{"colour": "blue"}')
    with pytest.raises(DeployError, match=r"options\.json cannot be read"):
        layout(ATRIUM_PREFIX=prefix)
