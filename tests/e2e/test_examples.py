"""The shipped examples run in a person's own server, each within its time limit."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import accessibility_problems, screenshot
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell
from tests.polling import eventually
from tests.slurm_job import in_job

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

READY_MS = 180_000
MEASURED = ("dataframe", "search", "images", "array")
PYTHON = os.environ.get("ATRIUM_TEST_TORCH_PYTHON", "")
"""A Python with PyTorch that everybody may run; without it the training is skipped, and says so."""

RUN = """\
import json, time, nbformat
from nbclient import NotebookClient
start = time.time()
notebook = nbformat.read("{folder}/{name}.ipynb", as_version=4)
NotebookClient(notebook, timeout=300, resources={{"metadata": {{"path": "{folder}"}}}}).execute()
shown = [o["data"] for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
rows = [data["text/html"] for data in shown if "text/html" in data]
pictures = sum("image/png" in data for data in shown)
texts = [data.get("text/plain", "") for data in shown]
print("TOLD", json.dumps([time.time() - start, pictures, "".join(rows), texts]))
"""


def printed_values(text: str) -> list[object]:
    match = re.search(r"TOLD (\[.*\])", text, re.DOTALL)
    assert match, text
    return list(json.loads(match[1].replace("\n", "")))


def examples(deployment: Deployment) -> Path:
    return deployment.settings.paths.user_env / "share/atrium/examples"


def test_each_example_runs_and_shows_its_speed_up(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    for name in MEASURED:
        program = RUN.format(folder=examples(deployment), name=name)
        seconds, pictures, tables, texts = printed_values(run_cell(founder.page, program, within=400))
        print(f"{name}: {seconds:.0f} s")
        assert isinstance(pictures, int)
        assert pictures >= 1, (name, texts)
        rows = re.findall(r"<tr><td>(\d+)</td><td>([\d.]+) s</td><td>([\d.]+)</td></tr>", str(tables))
        assert [int(row[0]) for row in rows] == [1, 2, 4], (name, tables)


TRAINING = """\
import asyncio, json, re, time
from pathlib import Path
from hub.dask.models import TrainingRequest
from spawners.dask import training
from spawners.node.job_context import JobContext

async def main():
    context = JobContext.from_environment()
    checkpoint = Path.home() / "test-language-model.pt"
    checkpoint.unlink(missing_ok=True)
    arguments = ("--steps", "100", "--checkpoint", str(checkpoint), "--pause", "0.8")
    request = TrainingRequest(
        script=SCRIPT, arguments=arguments, nodes=2, cores=1, memory_gb=2, minutes=2, warn_seconds=60, python=PYTHON
    )
    job = await training.submit(context, request)
    while not next(entry for entry in await training.mine(context) if entry.job == job).over:
        await asyncio.sleep(2)
    print("TOLD", json.dumps(await training.log(context, job)), flush=True)
    checkpoint.with_suffix(".finished.pt").unlink()

asyncio.run(main())
"""

needs_torch = pytest.mark.skipif(
    not PYTHON, reason="PyTorch is not there: ATRIUM_TEST_TORCH_PYTHON names no Python that has it"
)


@needs_torch
def test_a_training_goes_on_from_its_checkpoint_after_its_time_limit(deployment: Deployment) -> None:
    script = str(examples(deployment) / "train_language_model.py")
    program = TRAINING.replace("SCRIPT", repr(script)).replace("PYTHON", repr(PYTHON))
    with in_job(deployment, deployment.person("colleague"), program, gateway="traintest", minutes=30) as process:
        out, error = process.communicate(timeout=800)
    assert process.returncode == 0, error
    log = json.loads(next(line for line in out.splitlines() if line.startswith("TOLD ")).removeprefix("TOLD "))

    first_steps = [int(step) for step in re.findall(r"2 processes, \d+ parameters, from step (\d+)", log)]
    stopped = [int(step) for step in re.findall(r"told to stop: checkpoint at step (\d+)", log)]
    losses = [float(loss) for loss in re.findall(r"step \d+ loss ([\d.]+)", log)]
    assert first_steps[0] == 0
    assert first_steps[1:] == stopped, "it goes on where it was told to stop"
    assert len(first_steps) > 1, log
    assert log.rstrip().endswith("finished")
    assert losses[-1] < 0.6 * losses[0]


@needs_torch
def test_the_language_model_learns_on_two_nodes(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    program = f"import os; os.environ['TRAINING_PYTHON'] = {PYTHON!r}\n"
    program += RUN.format(folder=examples(deployment), name="training")
    texts = printed_values(run_cell(founder.page, program, within=600))[3]
    assert isinstance(texts, list)
    losses = [float(loss) for loss in re.findall(r"\(\d+, ([\d.]+)\)", "".join(texts))]
    assert len(losses) == 2, texts
    assert losses[1] < 0.7 * losses[0]


@needs_torch
def test_a_training_is_started_followed_and_stopped_by_the_page(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    page = founder.page
    page.goto(f"{deployment.server_url(founder.name)}atrium/scaling")
    founder.wait_for_greeting()

    def fill(**fields: str) -> None:
        for label, value in fields.items():
            field = page.get_by_label(label.replace("_", " "), exact=True)
            field.fill(value)
            field.press("Tab")

    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Enter the program to run.")).to_be_visible(timeout=READY_MS)
    fill(Program=str(examples(deployment) / "train_language_model.py"), Python=PYTHON, Nodes="2", Minutes="10")
    fill(Cores_a_node="1", Arguments="--steps 60 --checkpoint panel-test.pt")
    expect(page.get_by_text("of CPU each hour with 2 nodes")).to_be_visible(timeout=READY_MS)
    page.get_by_role("button", name="Start training").click()
    log = page.get_by_label("Log of the training")
    expect(log).to_contain_text("2 processes", timeout=120_000)
    screenshot(page, "training")
    assert accessibility_problems(page) == []
    expect(log).to_contain_text("finished", timeout=120_000)
    (Path(f"~{founder.name}").expanduser() / "panel-test.finished.pt").unlink()

    fill(Arguments="--steps 1000 --checkpoint panel-test.pt --pause 1")
    page.get_by_role("button", name="Start training").click()
    expect(log).to_contain_text("from step 0", timeout=120_000)
    expect(log).not_to_contain_text("finished")
    page.get_by_role("button", name="Stop training").click()
    expect(page.get_by_role("button", name="Stop training")).to_be_hidden(timeout=READY_MS)
    jobs = [f"--user={founder.name}", f"--name={deployment.settings.spawn.gateway}-training"]
    eventually(lambda: not deployment.squeue(*jobs), within=60, what="the training has ended")
