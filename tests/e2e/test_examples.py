"""The examples run as they are shipped, in a person's own server, each within its time."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.lab import new_notebook, run_cell

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

MEASURED = ("dataframe", "search", "images", "array")
PYTHON = os.environ.get("ATRIUM_TEST_TORCH_PYTHON", "")
"""A Python with PyTorch that everybody may run; without it the training is skipped, and says so."""

RUN = """\
import json, time, nbformat
from nbclient import NotebookClient
start = time.time()
notebook = nbformat.read("{folder}/{name}.ipynb", as_version=4)
NotebookClient(notebook, timeout=300, resources={{"metadata": {{"path": "{folder}"}}}}).execute()
rows = [o["data"]["text/html"] for c in notebook.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {{}})]
pictures = sum("image/png" in o.get("data", {{}}) for c in notebook.cells for o in c.get("outputs", []))
texts = [o["data"].get("text/plain", "") for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
print("TOLD", json.dumps([time.time() - start, pictures, "".join(rows), texts]))
"""


def told(said: str) -> list[object]:
    found = re.search(r"TOLD (\[.*\])", said, re.DOTALL)
    assert found, said
    return list(json.loads(found[1].replace("\n", "")))


def examples(deployment: Deployment) -> Path:
    return deployment.settings.paths.user_env / "share/atrium/examples"


def test_each_example_runs_and_shows_what_more_workers_bring(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    for name in MEASURED:
        program = RUN.format(folder=examples(deployment), name=name)
        seconds, pictures, tables, texts = told(run_cell(founder.page, program, within=400))
        print(f"{name}: {seconds:.0f} s")
        assert isinstance(pictures, int)
        assert pictures >= 1, (name, texts)
        rows = re.findall(r"<tr><td>(\d+)</td><td>([\d.]+) s</td><td>([\d.]+)</td></tr>", str(tables))
        assert [int(row[0]) for row in rows] == [1, 2, 4], (name, tables)


@pytest.mark.skipif(not PYTHON, reason="PyTorch is not there: ATRIUM_TEST_TORCH_PYTHON names no Python that has it")
def test_the_language_model_learns_on_two_nodes(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    founder.start_notebook()
    new_notebook(founder.page)
    program = f"import os; os.environ['TRAINING_PYTHON'] = {PYTHON!r}\n"
    program += RUN.format(folder=examples(deployment), name="training")
    texts = told(run_cell(founder.page, program, within=600))[3]
    assert isinstance(texts, list)
    losses = [float(loss) for loss in re.findall(r"\(\d+, ([\d.]+)\)", texts[-1])]
    assert len(losses) == 2, texts
    assert losses[1] < 0.7 * losses[0]
