"""Every state and reason of Slurm has a sentence, and unknown ones do not break it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.slurm import reasons
from hub.slurm.jobs import Phase, phase
from hub.slurm.reasons import Whose

DATA = Path(__file__).parents[2] / "data/slurm"
BATCH = "sbatch: error: Batch job submission failed: "


def vocabulary(name: str) -> list[str]:
    lines = (DATA / f"{name}.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("reason", vocabulary("reasons"))
def test_every_reason_of_slurm_22_to_25_is_a_sentence(reason):
    assert reasons.knows_reason(reason)
    words = reasons.reason(reason)
    assert words.means.endswith(".") and "{" not in str(words) and reason not in str(words)
    assert not words.todo or words.todo.endswith(".")


@pytest.mark.parametrize("state", vocabulary("states"))
def test_every_state_of_slurm_22_to_25_has_words_and_a_phase(state):
    assert state in reasons._STATES and reasons.state(state)
    assert phase(state) is not Phase.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "whose", "part"),
    [
        ("Priority", Whose.TIME, "before you"),
        ("Resources", Whose.TIME, "No node has"),
        ("QOSMaxCpuPerUserLimit", Whose.PERSON, "CPU cores of one person"),
        ("QOSMaxGRESPerUser", Whose.PERSON, "GPUs of one person"),
        ("QOSMaxMemoryPerJob", Whose.REQUEST, "more memory than one job"),
        ("QOSMinGRES", Whose.REQUEST, "meant for"),
        ("QOSGrpCpuLimit", Whose.PARTITION, "that all share"),
        ("AssocGrpCPUMinutesLimit", Whose.PROJECT, "CPU hours are used up"),
        ("AssocGrpGRESMinutes", Whose.PROJECT, "GPU hours are used up"),
        ("AssocGrpMemLimit", Whose.PROJECT, "limit for memory"),
        ("AssocGrpCPURunMinutesLimit", Whose.PROJECT, "claimed as many CPU hours"),
        ("AssocMaxCpuMinutesPerJobLimit", Whose.REQUEST, "more CPU hours than the project"),
        ("MaxGRESPerAccount", Whose.PROJECT, "GPUs of one project"),
        ("MaxCpuRunMinsPerUser", Whose.PERSON, "CPU hours as one person"),
        ("PartitionTimeLimit", Whose.REQUEST, "more time"),
        ("JobHeldAdmin", Whose.ADMIN, "administrator"),
        ("(ReqNodeNotAvail, UnavailableNodes:cpu[1-3])", Whose.TIME, "down"),
        ("ReqNodeNotAvail, Reserved for maintenance", Whose.TIME, "maintenance"),
        ("Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority", Whose.TIME, "down"),
        ("launch failed requeued held", Whose.ADMIN, "failed to start too often"),
        ("RaisedSignal:9(Killed)", Whose.REQUEST, "signal"),
    ],
)
def test_a_reason_says_who_can_resolve_it(reason, whose, part):
    words = reasons.reason(reason)
    assert words.whose is whose
    assert part in str(words)


def test_an_unknown_reason_is_shown_as_slurm_says_it():
    assert str(reasons.reason("QuantumFlux")) == "Slurm says: “QuantumFlux”."
    assert reasons.state("QUANTUM_FLUX") == "quantum flux"
    assert reasons.state("CANCELLED by 1000") == "cancelled" and reasons.state("COMPLETED+") == "ended by itself"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (BATCH + "Invalid account or account/partition combination specified", "may not use this project"),
        (BATCH + "Invalid qos specification", "quality of service"),
        (BATCH + "Invalid partition name specified", "no such partition"),
        (BATCH + "Requested time limit is invalid (missing or exceeds some limit)", "shorter"),
        (BATCH + "Memory required by task is not available", "memory"),
        (
            "sbatch: error: Memory specification can not be satisfied\n"
            + BATCH
            + "Requested node configuration is not "
            "available",
            "memory",
        ),
        (
            "sbatch: error: CPU count per node can not be satisfied\n" + BATCH + "Requested node configuration is not "
            "available",
            "cores",
        ),
        (BATCH + "Requested node configuration is not available", "No node of this partition"),
        (BATCH + "Requested reservation is invalid", "reservation"),
        (BATCH + "Access denied to requested reservation", "reservation"),
        (BATCH + "Invalid generic resource (gres) specification", "GPUs"),
        (BATCH + "User's group not permitted to use this partition", "partition"),
        (BATCH + "Required partition not available (inactive or drain)", "accepts no jobs"),
        (BATCH + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", "hours"),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + BATCH + "Job violates accounting/QOS policy", "Stop another"),
        ("sbatch: error: AssocGrpGRESMinutes\n" + BATCH + "Job violates accounting/QOS policy", "GPU hours"),
        ("sudo: a password is required", "administrator"),
        (BATCH + "Slurm temporarily unable to accept job, sleeping and retrying", "minute"),
    ],
)
def test_what_sbatch_refuses_is_explained(text, part):
    words = reasons.refusal(text)
    assert part in str(words) and words.todo
    assert "Cancel it" not in str(words), "there is nothing to cancel"


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["sbatch: error: GPU jobs belong in partition gpu."], ["“GPU jobs belong in partition gpu”."]),
        (["sbatch: Ask for fewer Resources", "sbatch: or call 4711."], ["“Ask for fewer Resources or call 4711”."]),
        (["sbatch: error: Invalid account steel:", "it ended in May"], ["“Invalid account steel: it ended in May”."]),
        (["sbatch: lua: no memory given", "sbatch: error: AssocGrpGRESMinutes"], ["“lua: no memory given”."]),
        (["sudo: unable to resolve host a", "sbatch: error: Fluxes {0} are few"], ["“Fluxes {0} are few”."]),
    ],
)
@pytest.mark.parametrize("last", ["Unspecified error", "Job violates accounting/QOS policy"])
def test_what_a_plugin_of_the_site_says_is_shown(lines, parts, last):
    words = reasons.refusal("\n".join([*lines, BATCH + last]))
    assert all(part in words.means for part in parts) and words.whose is Whose.REQUEST and words.todo
    assert (last in words.means) == (last != "Unspecified error")


def test_lines_of_sudo_and_of_sbatch_itself_are_no_plugins():
    for line in ("sudo: unable to resolve host a", "sbatch: warning: can't honor --ntasks-per-node"):
        assert "may not use this project" in reasons.refusal(f"{line}\n{BATCH}Invalid account").means
    line = "sbatch: error: invalid partition specified: nowhere"
    assert "no such partition" in reasons.refusal(f"{line}\n{BATCH}Invalid partition name specified").means


def test_an_unknown_refusal_is_shown_as_slurm_says_it():
    words = reasons.refusal("sbatch: error: Batch job submission failed: Flux {0} too low")
    assert "“Flux {0} too low”" in words.means and words.whose is Whose.ADMIN
    assert "without a reason" in reasons.refusal("").means


@given(st.text())
def test_whatever_slurm_prints_is_a_sentence(text):
    for words in (reasons.reason(text), reasons.refusal(text)):
        assert words.means.endswith(".") or "”" in words.means
    assert isinstance(reasons.state(text), str)
