"""A verdict for every way to end; what Slurm really reports is in tests/slurm/test_endings.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.servers.models import Ending
from hub.slurm.jobs import Job
from spawners.job import diagnosis
from spawners.job.diagnosis import Facts, Farewell, Stage, diagnose

REQUEST = {"memory_gb": 4, "minutes": 240, "environment": "pytorch"}


def over(state="FAILED", exit_code="1:0", reason="", stage=Stage.RUNNING, **known):
    job = Job(7, state, "f", "cpu1", reason, exit_code=exit_code)
    return Facts(stage=stage, job=job, request=REQUEST, **known)


def hung(log_tail):
    return over("RUNNING", "", stage=Stage.STARTING, silent=True, patience_seconds=180, log_tail=log_tail)


OOM = "Detected 1 oom_kill event in StepId=7"
NO_ROOM = "No space left on device"
TRACEBACK = """Traceback (most recent call last):
  File "/opt/atrium/user/lib/python3.11/site-packages/traitlets/config/loader.py", line 600, in _read_file_as_dict
    exec(compile(f.read(), conf_filename, "exec"), namespace, namespace)
  File "{path}", line 3, in <module>
    x
NameError: name 'x' is not defined
"""
CASES = [
    (Facts(stage=Stage.WAITING, stop_requested=True), Ending.STOPPED, "as asked"),
    (Facts(stage=Stage.SUBMIT), Ending.NOT_ASKED, "has no job of this start"),
    (Facts(stage=Stage.SUBMIT, not_asked=True, refusal="x"), Ending.NOT_ASKED, "Try again"),
    (Facts(stage=Stage.SUBMIT, refusal="Invalid qos specification"), Ending.REFUSED, "quality of service"),
    (over("OUT_OF_MEMORY", "0:125"), Ending.OUT_OF_MEMORY, "4\u202fGB"),
    (over("OUT_OF_MEMORY", "0:125"), Ending.OUT_OF_MEMORY, "8\u202fGB or more"),
    (over("TIMEOUT", "0:0"), Ending.TIME_LIMIT, "4\u202fh"),
    (over("DEADLINE", "0:0"), Ending.TIME_LIMIT, "shorter"),
    (over("NODE_FAIL", "0:0"), Ending.NODE_FAILED, "cpu1"),
    (over("BOOT_FAIL", "0:0", stage=Stage.WAITING), Ending.NODE_FAILED, "nothing you did"),
    (over("PREEMPTED", "0:15"), Ending.PREEMPTED, "make room"),
    (over("CANCELLED by 0", "0:15"), Ending.CANCELLED, "administrator cancelled"),
    (over("CANCELLED by 0", "0:15", shut_down=True), Ending.CANCELLED, "shut down"),
    (over("CANCELLED by 1000", "0:15", uid=1000), Ending.CANCELLED, "your own account"),
    (over("CANCELLED by 1000", "0:15", uid=1001), Ending.CANCELLED, "administrator"),
    (over("CANCELLED by 0", "71:0"), Ending.CANCELLED, "administrator cancelled"),
    (over("CANCELLED by 1000", "127:0", uid=1000, stage=Stage.STARTING), Ending.CANCELLED, "your own account"),
    (over("CANCELLED by 1000", "0:9", "JobLaunchFailure", uid=1000), Ending.CANCELLED, "your own account"),
    (over("CANCELLED by 0", "1:0", log_tail="ImportError: x"), Ending.CANCELLED, "administrator"),
    (over("CANCELLED by 1000", "0:15", uid=1000, farewell=Farewell.IDLE), Ending.CANCELLED, "your own account"),
    (over("CANCELLED by 1000", "0:15", uid=1000, log_tail=f"slurmstepd: error: {OOM}"), Ending.CANCELLED, "your own"),
    (over("CANCELLED by 0", "0:15", uid=1000, log_tail=f"slurmstepd: error: {OOM}"), Ending.OUT_OF_MEMORY, "memory"),
    (over("REVOKED", "1:0"), Ending.CANCELLED, "administrator cancelled"),
    (over("COMPLETED", "0:0"), Ending.FINISHED, "by itself"),
    (over("COMPLETED", "0:0", farewell=Farewell.IDLE), Ending.IDLE, "nothing happened"),
    (over("COMPLETED", "0:0", farewell=Farewell.TIME_LIMIT), Ending.TIME_LIMIT, "was over"),
    (over("FAILED", "1:0", farewell=Farewell.FINISHED), Ending.FINISHED, "by itself"),
    (over("CANCELLED by 0", "0:0", farewell=Farewell.FINISHED), Ending.CANCELLED, "administrator cancelled"),
    (over("OUT_OF_MEMORY", "0:125", farewell=Farewell.FINISHED), Ending.OUT_OF_MEMORY, "memory"),
    (over("COMPLETED", "0:0", stage=Stage.STARTING), Ending.CRASHED, "before it was ready"),
    (over(exit_code="69:0", stage=Stage.STARTING), Ending.HUB_UNREACHABLE, "certificates"),
    (over(exit_code="70:0", stage=Stage.STARTING), Ending.HUB_UNREACHABLE, "cpu1"),
    (over(exit_code="71:0", stage=Stage.STARTING), Ending.HOME_MISSING, "cannot be written"),
    (over(exit_code="0:53", stage=Stage.STARTING), Ending.HOME_MISSING, "not there, closed, or full"),
    (over(exit_code="0:53", log_tail=f"mktemp: failed: {NO_ROOM}"), Ending.HOME_FULL, "home directory is full"),
    (over(exit_code="0:53", log_tail="mktemp: failed: Disk quota exceeded"), Ending.HOME_FULL, "is full"),
    (over(exit_code="0:53", log_tail="mktemp: failed: Permission denied"), Ending.HOME_MISSING, "cannot be written"),
    (over(exit_code="74:0", stage=Stage.STARTING), Ending.CRASHED, "log, .atrium-notebook.log in your home"),
    (over(exit_code="74:0", stage=Stage.STARTING, server="gpu"), Ending.CRASHED, ".atrium-notebook-gpu.log in"),
    (over(exit_code="72:0", stage=Stage.STARTING), Ending.ENVIRONMENT_MISSING, "“pytorch”"),
    (over(exit_code="127:0", stage=Stage.STARTING), Ending.ENVIRONMENT_MISSING, "environment"),
    (over(exit_code="73:0", stage=Stage.STARTING), Ending.HOME_FULL, "full"),
    (over(exit_code="75:0", stage=Stage.STARTING), Ending.PORT_TAKEN, "port"),
    (over(log_tail="x\nOSError: [Errno 122] Disk quota exceeded: 'a'"), Ending.HOME_FULL, "full"),
    (over(log_tail="cp: error writing 'a': No space left on device"), Ending.HOME_FULL, "node's own disk"),
    (over(log_tail="OSError: [Errno 98] Address already in use"), Ending.PORT_TAKEN, "port"),
    (over(log_tail="slurmstepd: error: Detected 1 oom_kill event in StepId=7"), Ending.OUT_OF_MEMORY, "4\u202fGB"),
    (
        over(log_tail="slurmstepd: error: *** JOB 7 ON cpu1 CANCELLED AT 2026-11-24T14:02:00 DUE TO TIME LIMIT ***"),
        Ending.TIME_LIMIT,
        "4\u202fh",
    ),
    (
        over(log_tail="PermissionError: [Errno 13] Permission denied: '/home/f/.local/share'"),
        Ending.CRASHED,
        "needs /home/f/.local/share and cannot use it: Permission denied. If it is yours",
    ),
    (over(log_tail="FileExistsError: [Errno 17] File exists: '/home/f/.jupyter'"), Ending.CRASHED, "/home/f/.jupyter"),
    (
        over(stage=Stage.STARTING, log_tail=TRACEBACK.format(path="/home/f/.jupyter/jupyter_server_config.py")),
        Ending.CRASHED,
        "in your file /home/f/.jupyter/jupyter_server_config.py, line 3: NameError: name 'x' is not defined",
    ),
    (
        over(stage=Stage.STARTING, log_tail=TRACEBACK.format(path="/home/f/.local/lib/python3.11/tornado/x.py")),
        Ending.CRASHED,
        "move ~/.local aside",
    ),
    (
        over(log_tail=TRACEBACK.format(path="/home/f/.ipython/profile_default/startup/x.py")),
        Ending.CRASHED,
        "The server ended with an error: NameError",
    ),
    (
        over(
            log_tail="slurmstepd: error: couldn't chdir to `/home/f': No such file or directory: going to /tmp instead"
        ),
        Ending.HOME_MISSING,
        "home",
    ),
    (over(log_tail="ModuleNotFoundError: No module named 'jupyterhub'"), Ending.ENVIRONMENT_MISSING, "pytorch"),
    (over(log_tail="ModuleNotFoundError: No module named 'traitlets'"), Ending.CRASHED, "'traitlets'"),
    (over(log_tail="line\nValueError: no such port {0}\n"), Ending.CRASHED, "ValueError: no such port {0}"),
    (over(log_tail="MemoryError\n"), Ending.OUT_OF_MEMORY, "memory"),
    (
        over("FAILED", "0:9", "JobLaunchFailure", log_tail="slurmstepd-cpu1: error: Exceeded job memory limit"),
        Ending.OUT_OF_MEMORY,
        "8\u202fGB or more",
    ),
    (over("FAILED", "0:9", "JobLaunchFailure"), Ending.OUT_OF_MEMORY, "by force"),
    (over(exit_code="0:9"), Ending.OUT_OF_MEMORY, "by force"),
    (over(exit_code="137:0"), Ending.OUT_OF_MEMORY, "by force"),
    (over(exit_code="3:0"), Ending.CRASHED, "exit code 3"),
    (over(exit_code="0:11"), Ending.CRASHED, "signal 11"),
    (over("RUNNING", "", stage=Stage.STARTING, silent=True), Ending.SILENT, "on cpu1"),
    (hung("Atrium: job 7: home\n"), Ending.SILENT, "home directory or the projects' storage did not answer within 3"),
    (hung("Atrium: job 7: home\nAtrium: job 7: environment\n"), Ending.SILENT, "environment “pytorch” were not loaded"),
    (hung("Atrium: job 7: server\nwarnings\n"), Ending.SILENT, "settings and extensions were not loaded"),
    (hung("Atrium: job 7: announce\n"), Ending.SILENT, "did not reach this gateway"),
    (hung("Atrium: job 6: announce\n"), Ending.SILENT, "nothing of it could be read"),
    (hung(""), Ending.SILENT, "nothing of it could be read in its log after 3"),
    (over("RUNNING", "", stage=Stage.STARTING, silent=True, log_tail="ImportError: no b"), Ending.CRASHED, "no b"),
    (over("FAILED", "", "JobLaunchFailure", stage=Stage.WAITING), Ending.NODE_FAILED, "failed"),
    (
        over("FAILED", "0:0", "InvalidAccount", stage=Stage.WAITING),
        Ending.CRASHED,
        "project was removed",
    ),
    (Facts(stage=Stage.RUNNING), Ending.CRASHED, "does not know any more"),
    (over("QUANTUM_FLUX", ""), Ending.CRASHED, "quantum flux"),
]


@pytest.mark.parametrize(("facts", "ending", "part"), CASES)
def test_what_happened_and_what_to_do(facts, ending, part):
    verdict = diagnose(facts)
    assert verdict.ending is ending
    assert part in f"{verdict.message} {verdict.hint}"
    assert verdict.hint or ending is Ending.STOPPED


def test_every_ending_is_reached():
    assert {ending for _, ending, _ in CASES} == set(Ending)


def test_an_old_warning_of_a_server_that_ran_well_is_no_cause():
    log = "OSError: [Errno 122] Disk quota exceeded\n" + "saving\n" * 100
    assert diagnose(over("FAILED", "3:0", log_tail=log)).ending is Ending.CRASHED
    assert diagnose(over("COMPLETED", "0:0", log_tail="ValueError: x")).ending is Ending.FINISHED
    assert diagnose(over("CANCELLED by 0", "0:15", log_tail="ValueError: x")).ending is Ending.CANCELLED


def test_hints_without_a_request_have_no_holes():
    verdict = diagnose(Facts(stage=Stage.RUNNING, job=Job(7, "OUT_OF_MEMORY", "f")))
    assert "more memory" in verdict.hint and "{" not in verdict.message + verdict.hint


def test_local_packages_are_blamed_only_if_they_are_to_blame():
    for log in ("ModuleNotFoundError: No module named 'traitlets'", "ImportError: cannot import name 'a' from 'b'"):
        verdict = diagnose(over(log_tail=log, stage=Stage.STARTING))
        assert ".local" not in f"{verdict.message} {verdict.hint}"


@given(st.sampled_from(Stage), st.text(), st.text(), st.text(), st.text(), st.booleans())
def test_no_word_of_slurm_or_of_a_log_breaks_it(stage, state, exit_code, reason, log, silent):
    job = Job(7, state, "f", "cpu1", reason, exit_code=exit_code)
    verdict = diagnose(Facts(stage=stage, job=job, refusal=reason, log_tail=log, silent=silent))
    assert verdict.message and "why is not known" not in verdict.message, "the net below a mistake was needed"


def test_a_mistake_of_ours_still_ends_an_attempt(monkeypatch):
    monkeypatch.setattr(diagnosis, "_ended", lambda _facts: 1 / 0)
    assert diagnose(Facts(stage=Stage.RUNNING)).ending is Ending.CRASHED
