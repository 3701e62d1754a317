"""The client's results for Slurm's output."""

from datetime import date

import pytest

from hub.errors import SlurmError, SlurmUnavailable
from hub.settings import Slurm
from hub.slurm import commands, inventory
from hub.slurm.client import SlurmClient
from hub.slurm.cluster import System
from hub.slurm.jobs import Phase

DEMO = ["cluster=lakes", "account=demo"]


class Answers:
    """A transport that answers by the first word of the command, and remembers what was asked."""

    def __init__(self, **answers) -> None:
        self.answers = answers
        self.commands: list[list[str]] = []

    async def run(self, argv, **_options):
        if argv == commands.configuration():
            return "ClusterName             = lakes\nSLURM_VERSION           = 23.02.6\n"
        self.commands.append(argv)
        answer = self.answers[argv[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(**answers) -> tuple[SlurmClient, Answers]:
    transport = Answers(**answers)
    return SlurmClient(Slurm(), transport), transport


async def test_a_job_the_controller_forgot_is_looked_up_in_the_accounts():
    slurm, _ = client(
        squeue=SlurmError("slurm_load_jobs error: Invalid job id specified"),
        sacct="7|COMPLETED|f|cpu1|notebooks|Unknown|Unknown|0:0",
    )
    job = await slurm.job(7)
    assert job is not None
    assert job.phase is Phase.ENDED


async def test_a_silent_controller_is_not_a_forgotten_job():
    slurm, transport = client(squeue=SlurmUnavailable("timed out"), sacct="")
    with pytest.raises(SlurmUnavailable):
        await slurm.job(7)
    assert len(transport.commands) == 1


async def test_cancelling_what_is_gone_is_no_error_but_a_failing_scancel_is():
    slurm, _ = client(scancel=SlurmError("scancel: error: Kill job error on job id 7: Invalid job id specified"))
    await slurm.cancel(7, user="founder")
    slurm, _ = client(scancel=SlurmError("scancel: error: Access/permission denied"))
    with pytest.raises(SlurmError):
        await slurm.cancel(7, user="founder")


async def test_terminating_signals_the_job_script_alone_and_not_what_is_gone():
    slurm, transport = client(scancel="")
    await slurm.terminate(7, user="founder")
    assert transport.commands == [["scancel", "--quiet", "--batch", "--signal=TERM", "7"]]
    slurm, _ = client(scancel=SlurmError("scancel: error: Kill job error on job id 7: Invalid job id specified"))
    await slurm.terminate(7, user="founder")


async def test_an_account_that_exists_only_gets_its_limits():
    slurm, transport = client(sacctmgr="demo\n")
    await slurm.ensure_account("demo", description="Demo", cpu_minutes=60, gpu_minutes=6)
    assert ["add" in argv for argv in transport.commands] == [False, False]
    assert "GrpTRESMins=cpu=60,gres/gpu=6" in transport.commands[-1]


async def test_a_node_s_address_is_asked_once():
    slurm, transport = client(scontrol="NodeName=cpu1 NodeAddr=10.0.0.1 X=1")
    assert [await slurm.node_address("cpu1"), await slurm.node_address("cpu1")] == ["10.0.0.1"] * 2
    assert len(transport.commands) == 1


async def test_only_missing_members_are_added_and_all_at_once():
    slurm, transport = client(sacctmgr="founder||\n")
    await slurm.ensure_members("demo", ["trainer", "founder", "analyst"])
    assert transport.commands[-1] == ["sacctmgr", "--immediate", "add", "user", "analyst,trainer", *DEMO]
    await slurm.ensure_members("demo", ["founder"])
    assert len(transport.commands) == 3


async def test_who_is_barred_loses_their_jobs_also_while_accounting_refuses():
    slurm, transport = client(sacctmgr=SlurmUnavailable("timed out"), scancel="")
    with pytest.raises(SlurmUnavailable):
        await slurm.bar("demo", "founder")
    assert transport.commands[-1] == ["scancel", "--quiet", "--account=demo", "--user=founder"]


async def test_barring_takes_new_jobs_away_before_running_ones():
    slurm, transport = client(sacctmgr="founder||\n", scancel="")
    assert await slurm.bar("demo", "founder")
    assert [argv[0] for argv in transport.commands] == ["sacctmgr", "sacctmgr", "scancel"]
    assert transport.commands[1][-1] == "GrpSubmitJobs=0"
    assert not await slurm.bar("demo", "stranger")
    assert len(transport.commands) == 4


async def test_every_command_on_accounts_is_for_this_slurm_alone():
    """One database may serve several clusters: without the name sacctmgr means all of them."""
    slurm, transport = client(sacctmgr="demo|founder\nlakes\n", scancel="", squeue="")
    budget = {"description": "x", "cpu_minutes": 1, "gpu_minutes": 1}
    await slurm.ensure_account("steel", parent="call", **budget)
    await slurm.ensure_members("steel", ["founder", "trainer"])
    await slurm.accounts_of("founder")
    transport.answers["sacctmgr"] = "steel|founder||||||||||\n"
    await slurm.associations()
    transport.answers["sacctmgr"] = "founder||0\nsteel\n"
    await slurm.ensure_members("steel", ["founder"])
    await slurm.revoke("steel", "founder")
    accounting = [argv for argv in transport.commands if argv[0] == "sacctmgr"]
    verbs = {argv[2] if argv[1] == "--immediate" else argv[3] for argv in accounting}
    assert verbs == {"add", "modify", "remove", "show"}
    assert [argv for argv in accounting if "cluster=lakes" not in argv] == []


async def test_the_name_of_this_slurm_has_to_be_known():
    slurm, _ = client()
    assert (await slurm.system()) == System("lakes", (23, 2))
    with pytest.raises(SlurmError, match="name of the cluster"):
        inventory.parse_system("SLURM_VERSION = 23.02.6\n")
    assert inventory.parse_system("ClusterName = lakes\n").version == (0, 0)


@pytest.mark.parametrize(
    "command",
    [
        lambda: commands.accounts("lakes", []),
        lambda: commands.accounts("", ["demo"]),
        lambda: commands.account_usage([]),
        lambda: commands.accounts_of("lakes", ""),
        lambda: commands.add_members("lakes", "demo", []),
        lambda: commands.admit_member("lakes", "demo", ""),
        lambda: commands.bar_member("lakes", "", "founder"),
        lambda: commands.bar_member("lakes", "demo", ""),
        lambda: commands.cancel_of("", "founder"),
        lambda: commands.cancel_of("demo", ""),
        lambda: commands.change_default_account("lakes", "", "demo"),
        lambda: commands.day_of(date(2026, 1, 1), []),
        lambda: commands.limit_account("lakes", "", cpu_minutes=0, gpu_minutes=0),
        lambda: commands.members("lakes", ""),
        lambda: commands.named_jobs("server", ""),
        lambda: commands.queue(""),
        lambda: commands.queue_of_member("demo", ""),
        lambda: commands.remove_member("lakes", "", "founder"),
        lambda: commands.remove_member("lakes", "demo", ""),
    ],
)
def test_no_command_is_for_an_empty_name(command):
    with pytest.raises(ValueError, match="empty name"):
        command()
