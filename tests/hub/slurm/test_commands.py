"""Parsing of text recorded from Slurm 22.05 and of hostile text."""

from datetime import UTC, date, timedelta

import pytest

from hub.errors import SlurmError
from hub.slurm import commands
from hub.slurm.jobs import Membership, Minutes, Pending, Phase, Seconds, Share, moment, phase


def test_submit_takes_the_last_line_and_drops_the_cluster():
    assert commands.parse_submit("sbatch: warning: something\n123;atrium\n") == 123


@pytest.mark.parametrize("text", ["", "Submitted batch job 12", "12x", "-1", "error"])
def test_submit_refuses_what_is_no_number(text):
    with pytest.raises(SlurmError):
        commands.parse_submit(text)


def test_queue_reads_waiting_and_running_jobs():
    text = (
        "12|PENDING|founder|n/a|notebooks|N/A|N/A|Resources\n"
        "13|RUNNING|colleague|cpu2|notebooks|2026-11-24T10:00:00|2026-11-24T14:00:00|None\n"
        "14|PENDING|analyst|n/a|gpu|2026-11-24T12:00:00|N/A|ReqNodeNotAvail, UnavailableNodes:cpu[1|3]\n"
    )
    waiting, running, barred = commands.parse_queue(text)
    assert (waiting.phase, waiting.node, waiting.reason) == (Phase.WAITING, "", "Resources")
    assert (running.phase, running.node, running.user) == (Phase.RUNNING, "cpu2", "colleague")
    assert (waiting.start, waiting.end, waiting.partition) == (None, None, "notebooks")
    assert running.start is not None and running.end is not None
    assert running.end - running.start == timedelta(hours=4) and running.end.tzinfo is UTC
    assert barred.reason == "ReqNodeNotAvail, UnavailableNodes:cpu[1|3]"


def test_an_unreadable_queue_is_an_error_and_not_an_empty_queue():
    with pytest.raises(SlurmError):
        commands.parse_queue("slurm_load_jobs error\n")


def test_one_unreadable_line_blinds_nobody():
    text = (
        "20_[1-2]|PENDING|learner03|n/a|notebooks|N/A|N/A|BeginTime\n"
        "13|RUNNING|colleague|cpu2|notebooks|2026-11-24T10:00:00|2026-11-24T14:00:00|None\n"
    )
    assert [job.id for job in commands.parse_queue(text)] == [13]


def test_who_waits_is_read_without_what_cannot_be_read():
    text = "12|4294901757|notebooks\n13|100|notebooks,batch\n20_[1-2]|1|batch\n14||batch\n\n"
    assert commands.parse_pending(text) == [
        Pending(12, ("notebooks",), 4294901757),
        Pending(13, ("notebooks", "batch"), 100),
    ]


def test_comments_are_words_of_the_person_and_may_hold_anything():
    text = "12|atrium:founder::3\n13|(null)\n14|a|b\nnot a number|x\n"
    assert commands.parse_named_jobs(text) == {12: "atrium:founder::3", 13: "(null)", 14: "a|b"}


@pytest.mark.parametrize("forged", ["²", "9" * 5000, "-1", ""])
def test_a_comment_with_a_newline_does_not_end_the_reading(forged):
    assert commands.parse_named_jobs(f"12|x\n{forged}|y\n13|z\n") == {12: "x", 13: "z"}


@pytest.mark.parametrize("text", ["N/A", "Unknown", "None", "", "99999-01-01T00:00:00"])
def test_a_time_slurm_does_not_know_is_none(text):
    assert moment(text) is None


def test_history_takes_the_last_record():
    job = commands.parse_history(
        "7|REQUEUED|founder|cpu1|notebooks|2026-11-24T10:00:00|2026-11-24T10:05:00|0:0\n"
        "7|CANCELLED by 1000|founder|cpu1|notebooks|2026-11-24T10:07:00|2026-11-24T10:09:00|0:15\n"
    )
    assert job is not None
    assert (job.phase, job.exit_code) == (Phase.ENDED, "0:15")
    assert commands.parse_history("\n") is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("PENDING", Phase.WAITING),
        ("REQUEUE_HOLD", Phase.WAITING),
        ("SUSPENDED", Phase.RUNNING),
        ("COMPLETING", Phase.ENDING),
        ("CANCELLED by 0", Phase.ENDED),
        ("OUT_OF_MEMORY", Phase.ENDED),
        ("NODE_FAIL", Phase.ENDED),
        ("SOMETHING_NEW", Phase.UNKNOWN),
        ("", Phase.UNKNOWN),
    ],
)
def test_a_state_nobody_knows_is_never_the_end(state, expected):
    assert phase(state) is expected


def test_node_address():
    line = "NodeName=cpu1 Arch=x86_64 CPUAlloc=0 NodeAddr=127.0.0.1 NodeHostName=box Port=18012"
    assert commands.parse_node_address(line) == "127.0.0.1"
    with pytest.raises(SlurmError):
        commands.parse_node_address("Node cpu9 not found")


def test_usage_is_the_account_s_and_not_one_member_s():
    text = (
        "ClusterName=atrium Account=demo UserName= Partition= Priority=0 ID=3 "
        "GrpTRESMins=cpu=120000(35),mem=N(1),gres/gpu=12000(0) MaxTRESPJ=\n"
        "ClusterName=atrium Account=demo UserName=founder(1001) Partition= "
        "GrpTRESMins=cpu=N(30),mem=N(1),gres/gpu=N(0) MaxTRESPJ=\n"
    )
    usage = commands.parse_account_usage(text)
    assert set(usage) == {"demo"}
    assert usage["demo"].cpu == Minutes(120000, 35)
    assert usage["demo"].gpu == Minutes(12000, 0)


def test_limits_of_nothing_are_no_limits():
    usage = commands.parse_account_usage("Account=a UserName= GrpTRESMins= X=1\n")
    assert usage["a"].cpu == Minutes(None, 0)


def test_associations_keep_order_and_lose_doubles():
    assert commands.parse_accounts_of("demo\nsteel\ndemo\n\n") == ["demo", "steel"]


def test_members_with_their_partitions_and_who_is_barred():
    text = "||\nada|gpu|\nada|notebooks|\nbob||0\neve|gpu|20\n"
    assert commands.parse_members(text) == {
        "ada": Membership(frozenset({"gpu", "notebooks"}), barred=False),
        "bob": Membership(frozenset(), barred=True),
        "eve": Membership(frozenset({"gpu"}), barred=False),
    }


def test_a_day_by_account_person_and_partition():
    text = (
        "steel|ada|gpu|3600|billing=4,cpu=4,gres/gpu=2,mem=4G,node=1\n"
        "steel|ada|gpu|60|billing=1,cpu=1,gres/gpu:a100=1,mem=1G,node=1\n"
        "steel|bob|batch|10|billing=8,cpu=8,mem=8G,node=1\n"
        "steel|bob|batch|0|\n"
        "steel||batch|10|cpu=1\n"
    )
    assert commands.parse_day(text) == {
        Share("steel", "ada", "gpu"): Seconds(4 * 3600 + 60, 2 * 3600),
        Share("steel", "bob", "batch"): Seconds(80, 0),
    }
    assert commands.parse_day("") == {}


def test_every_run_of_a_requeued_job_is_asked_for():
    """Slurm shows the last run alone unless it is asked for duplicates."""
    for argv in (commands.day_of(date(2026, 11, 24), ["steel"]), commands.history(7)):
        assert argv[0] == "sacct"
        assert "--duplicates" in argv


def test_no_word_of_a_person_is_an_option():
    """Partitions and names are values behind an equals sign, or behind the word they belong to."""
    argv = commands.add_members("lakes", "steel", ["ada"], ["gpu"])
    assert argv[-4:] == ["ada", "cluster=lakes", "account=steel", "partition=gpu"]
    assert commands.limit_account("lakes", "steel", cpu_minutes=1, gpu_minutes=2, qos=("a", "b"), closed=True)[-3:] == [
        "GrpTRESMins=cpu=1,gres/gpu=2",
        "GrpSubmitJobs=0",
        "qos=a,b",
    ]
