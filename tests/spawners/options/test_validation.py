"""Limits of options, their sources, and the sentences of refusals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.errors import InvalidInput
from hub.slurm.cluster import Association, Cluster, Limits, Node, Partition, Qos, Reservation, System
from hub.slurm.jobs import AccountUsage, Minutes
from spawners.job.request import SpawnRequest
from spawners.options import validation
from tests.spawners.cluster import CLUSTER, NOW, SETTINGS, changed, offer


def request(**changes):
    return SpawnRequest(**{"account": "demo", "partition": "notebooks", **changes})


def refusal(changes, have=None):
    with pytest.raises(InvalidInput) as refused:
        validation.check(request(**changes), have or offer())
    return refused.value


def with_limits(*, user=None, account=None, **more):
    """The cluster with limits on the founder's association and on the account."""

    def limited(association: Association) -> Association:
        own = (
            user
            if association.user == "founder"
            else account
            if (association.account, association.user) == ("demo", "")
            else None
        )
        return replace(association, limits=own) if own else association

    return replace(CLUSTER, associations=tuple(map(limited, CLUSTER.associations)), **more)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cpus": 16, "memory_gb": 32, "minutes": 720},
        {"qos": "flexible", "minutes": 240},
        {"partition": "gpu", "gpus": 4, "gpu_type": "l40s"},
        {"partition": "short", "minutes": 60},
        {"reservation": "workshop", "minutes": 30},
        {"environment": "deep"},
    ],
)
def test_an_allowed_request_is_accepted(changes):
    validation.check(request(**changes), offer())


@pytest.mark.parametrize(
    ("changes", "field", "sentence", "hint"),
    [
        ({"account": "steel"}, "account", "You cannot use the project “steel”.", "Choose one of yours: demo."),
        ({"partition": "vip"}, "partition", "The project “demo” cannot use the partition “vip” now.", "Choose one of"),
        ({"qos": "vip"}, "qos", "“vip” cannot be used in “notebooks” by “demo”.", "Choose one of these: normal, flex"),
        ({"cpus": 17}, "cpus", "more cores than a node of “notebooks” has (16).", "Choose 16 or less."),
        (
            {"memory_gb": 33},
            "memory_gb",
            "more memory than a node of “notebooks” has (32 GB).",
            "Choose 32 GB or less.",
        ),
        ({"partition": "transfer", "cpus": 3}, "cpus", "“transfer” gives one job (2).", "or use “notebooks”."),
        ({"minutes": 721}, "minutes", "more time than “notebooks” gives (12\u202fh).", "Choose 12\u202fh or less."),
        (
            {"partition": "short", "minutes": 61},
            "minutes",
            "more time than “short” gives (1\u202fh).",
            "Choose 1\u202fh or",
        ),
        ({"qos": "flexible", "minutes": 241}, "minutes", "more time than “flexible” gives (4\u202fh).", "Choose 4"),
        ({"gpus": 1}, "gpus", "“notebooks” has no GPUs.", "Choose another partition, or none."),
        ({"partition": "gpu", "gpus": 5}, "gpus", "more GPUs than a node of “gpu” has (4).", "Choose 4 or fewer."),
        ({"partition": "gpu", "gpu_type": "h100"}, "gpu_type", "“gpu” has no GPU of the kind “h100”.", "another kind"),
        (
            {"reservation": "upkeep"},
            "reservation",
            "“upkeep” is not open to this project",
            "Choose another one, or none.",
        ),
        ({"reservation": "workshop", "partition": "batch"}, "reservation", "“workshop” is not open", "or none."),
        (
            {"reservation": "workshop", "minutes": 90},
            "minutes",
            "is left of the reservation “workshop” (58\u202fmin)",
            "or",
        ),
        ({"environment": "none"}, "environment", "There is no environment of that name.", "Choose one of the list."),
    ],
)
def test_a_refused_request_names_its_field_and_a_hint(changes, field, sentence, hint):
    error = refusal(changes)
    assert (error.field, error.status) == (field, 422)
    assert sentence in error.message
    assert hint in error.hint


def test_what_a_partition_s_qos_gives_one_person():
    have = offer(changed("qos", "notebook", limits=Limits(user={"cpu": 8, "mem": 16 * 1024})))
    assert "more memory than “notebooks” gives one person (16 GB)" in refusal({"memory_gb": 17}, have).message
    assert refusal({"cpus": 9}, have).field == "cpus"


@pytest.mark.parametrize(
    ("partition_qos", "job_qos", "expected"),
    [
        (Limits(job={"cpu": 8}), Limits(job={"cpu": 4}), 8),  # the partition's goes first, also when it gives more
        (Limits(), Limits(job={"cpu": 4}), 4),
        (Limits(user={"cpu": 6}), Limits(job={"cpu": 12}), 6),
    ],
)
def test_the_partition_s_qos_goes_before_the_job_s(partition_qos, job_qos, expected):
    def place(flags):
        qos = (Qos("notebook", limits=partition_qos), Qos("normal", flags=flags, limits=job_qos))
        offered_partition = offer(replace(CLUSTER, qos=qos)).projects[0].partition("notebooks", "")
        assert offered_partition is not None
        return offered_partition.cpus.most

    assert place(frozenset()) == expected
    if partition_qos.job:
        assert place(frozenset({"OverPartQOS"})) == 4


def test_a_qos_overrules_the_association_and_the_time_of_the_partition():
    cluster = with_limits(user=Limits(minutes=60, job={"cpu": 2}))
    assert refusal({"minutes": 61}, offer(cluster)).message.endswith("the project “demo” gives one job (1\u202fh).")
    assert "the project “demo” gives one job (2)" in refusal({"cpus": 3}, offer(cluster)).message
    qos = (Qos("normal", flags=frozenset({"PartitionTimeLimit"}), limits=Limits(minutes=900, job={"cpu": 5})),)
    have = offer(replace(cluster, qos=qos))
    validation.check(request(minutes=900, cpus=5), have)
    assert refusal({"minutes": 901}, have).message.endswith("“normal” gives (15\u202fh).")


def test_what_an_account_may_use_at_a_time_counts_at_every_level():
    cluster = with_limits(account=Limits(group={"cpu": 6, "gres/gpu": 1}))
    assert "the project “demo” may use at a time (6)" in refusal({"cpus": 7}, offer(cluster)).message
    assert refusal({"partition": "gpu", "gpus": 2}, offer(cluster)).field == "gpus"
    root = replace(
        cluster,
        associations=tuple(
            replace(association, limits=Limits(group={"cpu": 3}))
            if (association.account, association.user) == ("root", "")
            else association
            for association in cluster.associations
        ),
    )
    assert "“root” may use at a time (3)" in refusal({"cpus": 4}, offer(root)).message


def test_a_request_over_the_remaining_hours_is_refused():
    usage = {"demo": AccountUsage(Minutes(600, 0), Minutes(60, 0))}
    have = offer(replace(CLUSTER, usage=usage))
    validation.check(request(cpus=2, minutes=300), have)
    error = refusal({"cpus": 4, "minutes": 300}, have)
    assert error.field == "minutes"
    assert "10\u202fh of CPU time left, and this would take 20\u202fh" in error.message
    assert error.hint == "Choose 2\u202fh 30\u202fmin or less."
    assert "of GPU time" in refusal({"partition": "gpu", "gpus": 2, "minutes": 60}, have).message
    spent = offer(replace(CLUSTER, usage={"demo": AccountUsage(Minutes(600, 600), Minutes(None, 0))}))
    assert refusal({}, spent).message == "The CPU hours of “demo” are used up."
    assert (spent.projects[0].cpu_minutes, spent.projects[0].gpu_minutes) == (0, None)


def test_one_node_must_have_all_of_it():
    small, large = replace(CLUSTER.nodes[0], cpus=4), replace(CLUSTER.nodes[1], name="x", memory_mb=4096)
    have = offer(replace(CLUSTER, nodes=(small, large)))
    validation.check(request(cpus=4, memory_gb=32), have)
    assert "No single node of “notebooks” has all of that" in refusal({"cpus": 8, "memory_gb": 8}, have).message


@pytest.mark.parametrize(
    "changes",
    [
        {"up": False},
        {"open": False},
        {"allow_accounts": frozenset({"steel"})},
        {"deny_accounts": frozenset({"demo"})},
        {"allow_groups": frozenset({"staff"})},
        {"allow_qos": frozenset({"vip"})},
        {"deny_qos": frozenset({"normal", "flexible"})},
    ],
)
def test_a_partition_closed_to_the_project_is_not_offered(changes):
    have = offer(changed("partitions", "notebooks", **changes))
    assert "notebooks" not in {entry.name for entry in have.projects[0].partitions}
    assert refusal({}, have).field == "partition"


@pytest.mark.parametrize(
    "changes",
    [
        {"allow_accounts": frozenset({"demo"}), "deny_accounts": frozenset({"demo"})},
        {"allow_groups": frozenset({"atrium-users"})},
        {"allow_qos": frozenset({"normal"})},
        {"deny_qos": frozenset({"flexible"})},
    ],
)
def test_a_partition_open_to_the_project_is_offered(changes):
    validation.check(request(), offer(changed("partitions", "notebooks", **changes), groups=("atrium-users",)))


def test_a_right_in_one_partition_only():
    mine = Association("demo", "founder", partition="gpu", qos=("normal",), default_qos="normal")
    others = tuple(association for association in CLUSTER.associations if association.user != "founder")
    have = offer(replace(CLUSTER, associations=(*others, mine)))
    assert {entry.name for entry in have.projects[0].partitions} == {"gpu"}


@pytest.mark.parametrize(
    ("version", "changes", "is_offered"),
    [
        ((22, 5), {"allow_accounts": frozenset({"chemistry"})}, False),
        ((23, 2), {"allow_accounts": frozenset({"chemistry"})}, True),
        ((22, 5), {"allow_accounts": frozenset({"chem-42"})}, True),
        ((24, 11), {"allow_accounts": frozenset({"physics"})}, False),
        ((22, 5), {"deny_accounts": frozenset({"chemistry"})}, True),
        ((23, 2), {"deny_accounts": frozenset({"chemistry"})}, False),
        ((0, 0), {"allow_accounts": frozenset({"chemistry"})}, False),  # an unknown version: the stricter rule
        ((0, 0), {"deny_accounts": frozenset({"chemistry"})}, False),
    ],
)
def test_accounts_of_a_partition_stand_for_those_below_from_23_02_on(version, changes, is_offered):
    partitions = (Partition("shared", **changes), Partition("fat"))
    have = offer(site(partitions=partitions, system=System("lakes", version)))
    assert [entry.name for entry in have.projects[0].partitions if entry.name == "shared"] == (
        ["shared", "shared"] if is_offered else []
    )


@pytest.mark.parametrize(
    ("accounts", "is_open"), [(("chemistry",), True), (("physics",), False), (("-chemistry",), False), (("-x",), True)]
)
def test_accounts_of_a_reservation_stand_for_those_below(accounts, is_open):
    lesson = Reservation("lesson", NOW, NOW + timedelta(hours=8), accounts=accounts)
    have = offer(site(reservations=(lesson,)))
    assert [entry.name for entry in have.reservations] == ["lesson"] * is_open
    choice = request(account="chem-42", partition="shared", reservation="lesson")
    assert validation.is_fine(choice, replace(have, reservations=(lesson,))) is is_open


@pytest.mark.parametrize(
    ("partition_qos", "job_qos", "is_offered"),
    [
        ({}, {}, True),
        ({}, {"user": 0}, False),
        ({}, {"group": 0}, False),
        ({}, {"account": 5}, True),
        ({"user": 0}, {}, False),
        ({"user": 9}, {"user": 0}, True),  # the partition's goes first
    ],
)
def test_a_qos_that_takes_no_jobs_is_not_offered(partition_qos, job_qos, is_offered):
    qos = (Qos("shut", submitted=job_qos), Qos("of-shared", submitted=partition_qos))
    cluster = site(partitions=(Partition("shared", qos="of-shared"),), qos=qos)
    have = offer(own(cluster, qos=("shut",)))
    assert bool(have.projects) is is_offered


def test_who_is_barred_has_no_project_unless_a_qos_overrules_it():
    barred = tuple(replace(association, barred=association.user == "founder") for association in CLUSTER.associations)
    unlimited = tuple(replace(qos, submitted={}) for qos in CLUSTER.qos)
    assert offer(replace(CLUSTER, associations=barred, qos=unlimited)).projects == ()
    [project] = offer(replace(CLUSTER, associations=barred)).projects
    offered = {(entry.name, entry.qos) for entry in project.partitions}
    assert ("batch", "normal") in offered
    assert ("batch", "flexible") not in offered, "of these two QOS only normal says how many jobs a person may submit"


def test_a_person_without_a_project_is_refused():
    error = refusal({}, offer(user="stranger"))
    assert error.field == "account"
    assert "You have no project yet" in error.message


def test_projects_without_hours_come_last():
    mine = Association("steel", "founder", qos=("normal",), default_qos="normal")
    usage = {"demo": AccountUsage(Minutes(60, 60), Minutes(0, 0)), "steel": AccountUsage(Minutes(60, 0), Minutes(0, 0))}
    have = offer(replace(CLUSTER, associations=(*CLUSTER.associations, mine), usage=usage))
    assert [project.account for project in have.projects] == ["steel", "demo"]
    assert validation.complete({}, have, SETTINGS).account == "steel"


def test_a_project_with_too_little_left_is_not_taken_by_itself():
    mine = Association("steel", "founder", qos=("normal",), default_qos="normal")
    usage = {
        "demo": AccountUsage(Minutes(100_000, 0), Minutes(0, 0)),
        "steel": AccountUsage(Minutes(16, 0), Minutes(0, 0)),
    }
    have = offer(replace(CLUSTER, associations=(*CLUSTER.associations, mine), usage=usage))
    assert [project.account for project in have.projects] == ["steel", "demo"]
    assert validation.complete({}, have, SETTINGS).account == "demo"
    assert validation.complete({"account": "steel"}, have, SETTINGS).account == "steel"


@pytest.mark.parametrize(
    ("changes", "user", "open_to_them"),
    [
        ({}, "founder", True),
        ({}, "learner02", False),
        ({"users": ("-founder",)}, "founder", False),
        ({"users": ("-learner01",)}, "founder", True),
        ({"users": (), "accounts": ("demo",)}, "founder", True),
        ({"users": ("founder",), "accounts": ("steel",)}, "founder", False),
        ({"users": (), "groups": ("staff",)}, "founder", False),
        ({"start": NOW + timedelta(hours=23)}, "founder", True),
        ({"start": NOW + timedelta(hours=25), "end": NOW + timedelta(hours=30)}, "founder", False),
        ({"end": NOW}, "founder", False),
        ({"maintenance": True}, "founder", False),
    ],
)
def test_a_reservation_is_offered_to_its_users_only(changes, user, open_to_them):
    end = {"end": NOW + timedelta(hours=24)} if "end" not in changes else {}
    have = offer(changed("reservations", "workshop", **end, **changes), user=user)
    assert [reservation.name for reservation in have.reservations] == ["workshop"] * open_to_them


def test_a_slurm_without_accounts_gives_what_its_partitions_give():
    bare = replace(CLUSTER, accounting=False, associations=(), qos=(), usage={})
    have = offer(bare)
    assert [project.account for project in have.projects] == ["demo"]
    validation.check(request(), have)
    assert refusal({"minutes": 10**4}, have).field == "minutes"


def test_a_slurm_that_was_never_heard_has_to_judge_itself():
    have = offer(Cluster())
    validation.check(request(cpus=4000), have)
    assert refusal({"environment": "none"}, have).field == "environment"


def test_what_is_left_open_is_filled_in():
    assert validation.complete({"profile": "one-gpu"}, offer(), SETTINGS).partition == "gpu"
    closed = offer(changed("partitions", "notebooks", up=False))
    assert validation.complete({}, closed, SETTINGS).partition in ("short", "batch")
    assert validation.complete({"partition": "notebooks"}, closed, SETTINGS).partition == "notebooks"
    assert validation.complete({"reservation": "workshop", "gpus": 1}, offer(), SETTINGS).partition == "notebooks"


def test_a_request_fits_only_a_free_and_suitable_node():
    gpu1 = next(node for node in CLUSTER.nodes if node.name == "gpu1")
    cpu2 = next(node for node in CLUSTER.nodes if node.name == "cpu2")
    cpu3 = next(node for node in CLUSTER.nodes if node.name == "cpu3")
    assert validation.fits_now(gpu1, request(gpus=1, gpu_type="a100"))
    assert not validation.fits_now(gpu1, request(gpus=2))
    assert not validation.fits_now(gpu1, request(gpus=1, gpu_type="l40s"))
    assert not validation.fits_now(cpu2, request()), "out of service"
    assert not validation.fits_now(cpu3, request()), "kept for a reservation"
    assert validation.fits_now(cpu3, request(reservation="workshop"))


# -- a site that differs from the demo in everything ------------------------------------------------------------------


def site(**changes):
    """No default QOS, accounts below accounts, partitions with other names, nodes with dots."""
    association = Association("chem-42", "founder", qos=("long", "standard"))
    values = {
        "nodes": (Node("n001.cluster.example", "idle", True, ("shared", "fat"), 64, 64, 262144, 262144),),
        "partitions": (Partition("shared"), Partition("fat", deny_qos=frozenset({"standard"}))),
        "qos": (Qos("standard"), Qos("long")),
        "associations": (
            Association("root", qos=("standard", "long"), default_qos="standard"),
            Association("chemistry", parent="root"),
            Association("chem-42", parent="chemistry"),
            association,
        ),
        "as_of": NOW,
    }
    cluster = Cluster(**values)
    return replace(cluster, **changes)


def own(cluster, **changes):
    *others, association = cluster.associations
    return replace(cluster, associations=(*others, replace(association, **changes)))


@pytest.mark.parametrize(
    ("qos", "root", "usual"),
    [
        (("long", "standard"), "standard", "standard"),  # of the root account
        (("long",), "standard", "long"),  # the only one
        (("long", "normal"), "", "normal"),  # Slurm's own last resort
        ((), "", ""),  # a site without any
    ],
)
def test_a_job_without_a_qos_gets_the_one_that_slurm_takes(qos, root, usual):
    cluster = own(site(), qos=qos)
    first, *others = cluster.associations
    cluster = replace(cluster, associations=(replace(first, default_qos=root), *others))
    have = offer(cluster)
    [project] = have.projects
    assert project.partition("shared", "").qos == usual
    validation.check(request(account="chem-42", partition="shared"), have)


def test_where_slurm_takes_no_default_one_has_to_be_named():
    cluster = own(site(), qos=("long", "short"))  # neither is the root account's, and there is no "normal"
    have = offer(cluster)
    assert "Choose one of these: long, short" in refusal({"account": "chem-42", "partition": "shared"}, have).hint
    completed = validation.complete({"account": "chem-42"}, have, SETTINGS)
    assert (completed.partition, completed.qos) == ("shared", "long")
    validation.check(completed, have)


def test_a_partition_that_refuses_the_default_qos_needs_another_one():
    have = offer(site())
    assert refusal({"account": "chem-42", "partition": "fat"}, have).field == "qos"
    validation.check(request(account="chem-42", partition="fat", qos="long"), have)


@pytest.mark.parametrize("account", ["root", "chemistry", "chem-42"])
def test_a_project_below_a_closed_account_is_not_offered(account):
    cluster = site()
    associations = tuple(
        replace(entry, closed=(entry.account, entry.user) == (account, "")) for entry in cluster.associations
    )
    assert offer(replace(cluster, associations=associations)).projects == ()
    assert offer(own(cluster, closed=True)).projects == ()
    assert [project.account for project in offer(cluster).projects] == ["chem-42"]
