#!/usr/bin/python3 -IS
"""``sbatch``, ``squeue``, ``scancel`` and ``sacct``, by the name it is called, for more jobs than a machine could run.

Every job runs on the node cpu1 from the moment it is submitted, and its server is the one stand-in at ``port``. A
job is a file in ``jobs`` beside this program; ``squeue`` fills in the formats it is asked for from what Slurm 22.05
printed for a job like it. Standard library only.
"""

import contextlib
import json
import os
import pwd
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
JOBS = HERE / "jobs"

# What real jobs had in these fields; the keys are squeue's letters for them.
RECORDED = {
    "T": "RUNNING",
    "t": "R",
    "B": "cpu1",
    "N": "cpu1",
    "S": "2026-11-24T20:00:00",
    "V": "2026-11-24T20:00:00",
    "e": "2026-11-25T00:00:00",
    "r": "None",
    "R": "cpu1",
    "P": "notebooks",
    "q": "normal",
    "C": "1",
    "D": "1",
    "m": "1G",
    "l": "4:00:00",
    "L": "3:00:00",
    "M": "1:00:00",
    "Q": "100",
    "p": "0.00000002",
}
NAMES = {
    "jobid": "A",
    "state": "T",
    "statecompact": "t",
    "username": "u",
    "batchhost": "B",
    "nodelist": "N",
    "starttime": "S",
    "submittime": "V",
    "endtime": "e",
    "reason": "r",
    "name": "j",
    "comment": "k",
    "partition": "P",
    "account": "a",
    "qos": "q",
    "timelimit": "l",
    "timeleft": "L",
    "timeused": "M",
    "priority": "p",
    "prioritylong": "Q",
    "numcpus": "C",
    "minmemory": "m",
}


def option(*names: str) -> str:
    """Value of an option in any of its spellings, "" without it."""
    for place, word in enumerate(sys.argv[1:], 1):
        for name in names:
            if name.startswith("--") and word.startswith(f"{name}="):
                return word.partition("=")[2]
            if word == name and place + 1 < len(sys.argv):
                return sys.argv[place + 1]
            if not name.startswith("--") and word.startswith(name) and len(word) > len(name):
                return word[len(name) :]
    return ""


def sbatch() -> None:
    script = sys.stdin.read()
    directives = dict(re.findall(r"^#SBATCH --(job-name|comment|account)=(.*)$", script, re.MULTILINE))
    job = {"u": pwd.getpwuid(os.getuid()).pw_name, "j": directives.get("job-name", "sbatch")}
    job |= {"k": directives.get("comment", "(null)"), "a": directives.get("account", "demo")}
    number = 1 + max((int(job.name) for job in JOBS.iterdir()), default=0)
    while True:
        try:
            with (JOBS / str(number)).open("x") as file:
                json.dump(job, file)
            break
        except FileExistsError:
            number += 1
    print(number, flush=True)
    if os.fork() == 0:  # the job
        os.setsid()
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        os.open(os.devnull, os.O_RDWR), os.dup(0), os.dup(0)
        sys.path.insert(0, str(HERE))
        from standin import announce  # type: ignore[import-not-found]

        time.sleep(0.3)
        announce(int((HERE / "port").read_text()))


def squeue() -> None:
    job_ids, user, name = option("-j", "--jobs"), option("-u", "--user"), option("-n", "--name")
    layout, fields = option("-o", "--format"), option("-O", "--Format")
    if option("-t", "--states") == "PENDING":
        return  # every job runs
    for number in job_ids.split(",") if job_ids else sorted((job.name for job in JOBS.iterdir()), key=int):
        try:
            values = {**RECORDED, "A": number, "i": number, "F": number, **json.loads((JOBS / number).read_text())}
        except OSError:
            if job_ids and "," not in job_ids:  # of several, Slurm leaves out what it does not know
                sys.exit("slurm_load_jobs error: Invalid job id specified")
            continue
        if (not user or values["u"] in user.split(",")) and (not name or values["j"] in name.split(",")):
            print(by_name(fields, values) if fields else by_letter(layout, values))


def by_letter(layout: str, values: dict[str, str]) -> str:
    return re.sub(r"%\.?\d*([A-Za-z])", lambda match: values.get(match[1], ""), layout)


def by_name(fields: str, values: dict[str, str]) -> str:
    parts = (re.fullmatch(r"([A-Za-z]+)(?::\.?(\d*)(.*))?", field) for field in fields.split(","))
    return "".join(values.get(NAMES.get(part[1].lower(), ""), "") + (part[3] or "") for part in parts if part)


def scancel() -> None:
    for word in sys.argv[1:]:
        if word.isdigit():
            with contextlib.suppress(FileNotFoundError):
                (JOBS / word).unlink()


def sacct() -> None:
    """Accounting knows none of these jobs."""


if __name__ == "__main__":
    {"sbatch": sbatch, "squeue": squeue, "scancel": scancel, "sacct": sacct}[Path(sys.argv[0]).name]()
