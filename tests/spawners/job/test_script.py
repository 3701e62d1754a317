"""The job script: its directives, and refused values."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.errors import InvalidInput
from hub.settings import Paths, Settings, Software, Spawn
from hub.slurm import naming
from spawners.job import request as options
from spawners.job import script
from spawners.job.request import SpawnRequest

SETTINGS = Settings(
    spawn=Spawn(environments=(Software(name="deep", title="Deep learning", path=Path("/opt/atrium/deep")),))
)


def render(request: SpawnRequest | None = None, **changes: object) -> str:
    user, server = changes.pop("user", "founder"), changes.pop("server", "")
    values = {
        "comment": naming.server_comment("atrium", user, server, 7, "0a1b2c3d"),  # type: ignore[arg-type]
        "home": Path("/home/founder"),
        "settings": SETTINGS,
        "dask_partition": "batch",
    }
    spawn_request = request or SpawnRequest(account="demo", partition="notebooks", minutes=180)
    return script.render(spawn_request, **{**values, **changes})  # type: ignore[arg-type]


def directives(text: str) -> list[str]:
    """As sbatch reads them: lines that begin with ``#SBATCH``, up to the first command."""
    arguments = []
    for line in text.splitlines()[1:]:
        if line.startswith("#SBATCH"):
            arguments.append(line.removeprefix("#SBATCH "))
        elif line and not line.startswith("#"):
            break
    return arguments


def expected(request: SpawnRequest, *, user: str = "founder", server: str = "") -> list[str]:
    log = f".atrium-notebook-{server}.log" if server else ".atrium-notebook.log"
    kind = f"{request.gpu_type}:" if request.gpu_type else ""
    return [
        "--job-name=atrium-notebook",
        f"--comment={naming.server_comment('atrium', user, server, 7, '0a1b2c3d')}",
        f"--account={request.account}",
        f"--partition={request.partition}",
        *([f"--qos={request.qos}"] if request.qos else []),
        *([f"--reservation={request.reservation}"] if request.reservation else []),
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={request.cpus}",
        f"--mem={request.memory_gb}G",
        f"--time={request.minutes}",
        *([f"--gres=gpu:{kind}{request.gpus}"] if request.gpus else []),
        "--signal=B:USR1@120",
        "--requeue",
        "--chdir=/home/founder",
        f"--output=/home/founder/{log}.%j",
        "--open-mode=truncate",
        "--export=ALL",
    ]


@pytest.mark.parametrize(
    "request_",
    [
        SpawnRequest(account="demo", partition="notebooks"),
        SpawnRequest(account="demo", partition="gpu", gpus=2, qos="flexible", reservation="workshop"),
        SpawnRequest(account="demo", partition="gpu", gpus=1, gpu_type="a100", environment="deep"),
    ],
)
def test_exactly_these_directives_and_all_before_the_first_command(request_: SpawnRequest) -> None:
    text = render(request_)
    assert directives(text) == expected(request_)
    assert text.count("#SBATCH") == len(expected(request_))


def test_requeueing_is_a_setting() -> None:
    without_requeue = Settings(spawn=Spawn(requeue=False))
    assert "--no-requeue" in directives(render(settings=without_requeue))
    assert "--requeue" not in directives(render(settings=without_requeue))


def test_a_server_keeps_its_version_and_the_link_to_the_examples_follows_upgrades(tmp_path: Path) -> None:
    link, version = tmp_path / "user", tmp_path / "versions/user-1"
    version.mkdir(parents=True)
    link.symlink_to(version)
    text = render(settings=Settings(paths=Paths(user_env=link)))
    assert f"export PATH={version}/bin:" in text
    assert f"\n{version}/bin/python -I -m spawners.node.launch" in text
    assert f"ln -sfn {link}/share/atrium/examples examples" in text
    assert f"export ATRIUM_ENVIRONMENT={link}\n" in text, "a person's own environment outlives a version"
    assert text.count(str(link)) == 2
    assert "export ATRIUM_ENVIRONMENT=/opt/atrium/deep\n" in render(
        SpawnRequest(account="demo", partition="notebooks", environment="deep")
    )


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        render(SpawnRequest(account="demo", partition="notebooks", environment="none"))
    assert refused.value.field == "environment"


@pytest.mark.parametrize("bad", ["x y", "x\n#SBATCH --uid=0", "$(id)", "`id`", "x;id", "x'", 'x"', "x\\", "x\r", "é"])
def test_hostile_text_is_refused_or_quoted_in_the_comment(bad: str) -> None:
    with pytest.raises(InvalidInput):
        render(server=bad)
    request = SpawnRequest(account="demo", partition="notebooks", minutes=180)
    assert directives(render(request, user=bad)) == expected(request, user=bad), "it is quoted in the comment"
    with pytest.raises(InvalidInput):
        render(home=Path("/home") / bad)


# -- attacks ----------------------------------------------------------------------------------------------------------

PAYLOADS = (
    *(
        "\n#SBATCH --uid=0",
        "\r#SBATCH --wrap=id",
        "\u2028#SBATCH --uid=0",
        "\x0b#SBATCH --uid=0",
        " --uid=0",
        "\t--uid=0",
    ),
    *("$(id)", "`id`", "${IFS}", ";id", "&&id", "|id", ">/tmp/x", "'", '"', "\\", "\0", "%u", "\n\nid\n", "!id"),
    *("{{ 7*7 }}", "{% raw %}", "{# x #}", "{{ request.__class__ }}", "{{ cycler.__init__.__globals__ }}"),
)
WORDS = st.text(alphabet=string.ascii_letters + string.digits + "_.-", max_size=8)
ATTACKS = st.one_of(
    st.builds(lambda a, p, b: a + p + b, WORDS, st.sampled_from(PAYLOADS), WORDS),
    st.text(max_size=40),
    st.builds(lambda p, q: p + q, st.sampled_from(PAYLOADS), st.sampled_from(PAYLOADS)),
)
FIELDS = sorted(SpawnRequest.model_fields)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(FIELDS), attack=ATTACKS, as_form=st.booleans())
def test_no_option_adds_changes_or_ends_a_directive(name: str, attack: str, as_form: bool) -> None:
    sent = options.from_form({name: [attack]}) if as_form else {name: attack}
    try:
        request = options.parse(sent, SETTINGS)
        text = render(request)
    except InvalidInput:
        return
    assert re.fullmatch(r"[A-Za-z0-9_.-]*", str(getattr(request, name)))
    assert directives(text) == expected(request)
    assert body(text) == body(render(request.model_copy(update=_plain(request))))


def _plain(request: SpawnRequest) -> dict[str, object]:
    """The same request with another name for what was attacked; the shell part names only account and environment."""
    return {"account": request.account, "partition": "x", "qos": "", "reservation": "", "gpu_type": "", "gpus": 0}


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#SBATCH")]


@settings(max_examples=300, deadline=None)
@given(user=ATTACKS, server=ATTACKS)
def test_no_name_of_a_person_or_a_server_changes_the_directives(user: str, server: str) -> None:
    spawn_request = SpawnRequest(account="demo", partition="notebooks", minutes=180)
    for person, name in ((user, ""), ("founder", server), (user, server)):
        try:
            text = render(spawn_request, user=person, server=name)
        except InvalidInput:
            continue
        assert re.fullmatch(r"[A-Za-z0-9_./,:=@+-]*", name)
        assert directives(text) == expected(spawn_request, user=person, server=name)


@settings(max_examples=200, deadline=None)
@given(attack=ATTACKS)
def test_a_request_built_by_hand_refuses_hostile_text(attack: str) -> None:
    """What is stored was typed once; a model made of it by hand is held to the same."""
    for name in ("account", "partition", "qos", "reservation", "gpu_type", "environment", "profile"):
        try:
            request = SpawnRequest(**{"account": "demo", "partition": "notebooks", name: attack})  # type: ignore[arg-type]
        except ValidationError:
            continue
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|", getattr(request, name))


def test_dask_workers_that_name_no_partition_get_the_projects() -> None:
    assert "export DASK_JOBQUEUE__SLURM__QUEUE=batch\n" in render()
    assert "export DASK_JOBQUEUE__SLURM__QUEUE=steel-only\n" in render(dask_partition="steel-only")
