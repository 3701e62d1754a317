"""JupyterLab's status bar and Atrium's menu, tested in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "widgets/labextension/static/job.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js, as the proxy does")

HOURS = {
    "title": "Demo project",
    "cpu": {"granted": 2000, "left": 1999.98},
    "gpu": {"granted": 0, "left": 0},
    "stale": False,
}


def status_text(
    folder: Path, seconds_left: float | None, *, later: float = 0, then: str = "", **changes: Any
) -> dict[str, Any]:
    """Text, warning and sentences of a job ``later`` seconds after the server told this; ``then``: statements on it."""
    shutil.copy(SOURCE, folder / "job.mjs")
    fields = {"seconds_left": seconds_left, "ends": 1_800_000_000, "job": "7", "node": "cpu1", "partition": "notebooks"}
    fields |= {"project": "demo", "hours": None, "idle_minutes": 120, "idle_end": None, **changes}
    script = f"""
        import {{ Job }} from "./job.mjs";
        let now = Date.now();
        Date.now = () => now;
        const job = new Job();
        job.take({json.dumps(fields)});
        now += {later * 1000};
        {then}
        const {{ text, warning, sentences, idleEnd }} = job;
        console.log(JSON.stringify({{ text, warning, sentences, idleEnd }}));
    """
    argv = [str(NODE), "--input-type=module", "--eval", script]
    process = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    return dict(json.loads(process.stdout))


@pytest.mark.parametrize(
    ("seconds", "text", "warning"),
    [
        (11_520, "3 h 12 min left", None),
        (7_200, "2 h left", None),
        (901, "15 min left", None),
        (900, "⚠ 15 min left", 15),
        (301, "⚠ 5 min left", 15),
        (300, "⚠ 5 min left", 5),
        (59, "⚠ less than a minute left", 5),
        (0, "⚠ less than a minute left", 5),
        (None, "No time limit known", None),
    ],
)
def test_time_left_is_shown_with_two_warnings(
    tmp_path: Path, seconds: float | None, text: str, warning: int | None
) -> None:
    got = status_text(tmp_path, seconds)
    assert (got["text"], got.get("warning")) == (text, warning)


def test_time_goes_by_without_asking(tmp_path: Path) -> None:
    assert status_text(tmp_path, 960, later=120)["text"] == "⚠ 14 min left"
    assert status_text(tmp_path, 960, later=7200)["text"] == "⚠ less than a minute left"
    assert status_text(tmp_path, 960, later=30, idle_end=100)["idleEnd"] == 70


def test_hours_stand_beside_the_time(tmp_path: Path) -> None:
    got = status_text(tmp_path, 11_520, hours=HOURS)
    assert got["text"] == "3 h 12 min left · 2\u202f000 CPU h"
    assert "Project Demo project (demo): 2\u202f000 CPU h left." in got["sentences"]
    assert "It also ends when nothing happens in it for 2 h." in got["sentences"]


def test_a_paused_server_is_said_to_go_on_by_itself(tmp_path: Path) -> None:
    got = status_text(tmp_path, 11_520, then="job.miss(true);")
    assert got["text"] == "Paused by the cluster"
    assert "It goes on by itself" in got["sentences"][0]
    assert not any("ends on" in sentence for sentence in got["sentences"]), "the pause moves the end"
    silent = status_text(tmp_path, 11_520, then="job.miss(false);")
    assert silent["text"] == "Notebook server does not answer"
    assert status_text(tmp_path, 11_520, then="job.miss(true); job.take(job.status);")["text"] == "3 h 12 min left"


def test_unused_gpus_are_said(tmp_path: Path) -> None:
    sentence = "No GPU of this notebook has computed for 20 min. Its GPU hours are charged all the same."
    assert sentence in status_text(tmp_path, 11_520, gpu_unused=1200)["sentences"]
    assert not any("GPU" in text for text in status_text(tmp_path, 11_520, gpu_unused=None)["sentences"])


LAB = """
    import { readFileSync } from "node:fs";
    const opened = [];
    const fetched = async () => ({ ok: false, text: async () => "<path />" });
    const options = { hubHost: "http://localhost:8000", hubPrefix: "/hub/" };
    const modules = {
        "@jupyterlab/application": { ILabShell: {} },
        "@jupyterlab/launcher": { ILauncher: {} },
        "@jupyterlab/mainmenu": { IMainMenu: {} },
        "@jupyterlab/apputils": { ICommandPalette: {} },
        "@jupyterlab/ui-components": { LabIcon: class {} },
        "@jupyterlab/coreutils": {
            PageConfig: {
                getBaseUrl: () => "http://founder.localhost:8000/user/founder/",
                getOption: (name) => options[name],
            },
        },
        "@lumino/widgets": { Menu: class { title = {}; items = []; addItem(item) { this.items.push(item); } } },
    };
    globalThis.window = { open: (address) => opened.push(address) };
    globalThis.fetch = fetched;
    globalThis.document = { currentScript: { src: "http://localhost/static/remoteEntry.js" } };
    // What the page's loader hands over, with the plugin of this file alone.
    const source = readFileSync("remoteEntry.js", "utf8").replace("const MODULES = [", "const MODULES = []; [");
    (0, eval)(source);
    const scope = {};
    const unused = ["@jupyterlab/filebrowser", "@jupyterlab/services", "@jupyterlab/statusbar"];
    for (const name of [...unused, ...Object.keys(modules)])
        scope[name] = { 1: { get: async () => () => modules[name] ?? {} } };
    const container = window._JUPYTERLAB["atrium-lab"];
    container.init(scope);
    const [plugin] = (await container.get())().default;
    const commands = {};
    const addCommand = (id, command) => { commands[id] = command; };
    const app = { commands: { addCommand, execute() {} }, restored: null };
    const tiles = [], menus = [];
    const launcher = { add: (tile) => tiles.push(tile.command) };
    await plugin.activate(app, launcher, { addMenu: (menu) => menus.push(menu) }, null, null);
    const entries = menus[0].items.map((item) => item.command ?? item.type);
    for (const id of ["atrium:start", "atrium:scale"]) commands[id].execute();
    console.log(JSON.stringify({ entries, tiles, opened, label: commands["atrium:start"].label }));
"""


def test_the_menu_leads_back_to_the_start_page(tmp_path: Path) -> None:
    shutil.copy(SOURCE.with_name("remoteEntry.js"), tmp_path)
    argv = [str(NODE), "--input-type=module", "--eval", LAB]
    run = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(run.stdout) == {
        "entries": ["atrium:start", "atrium:scale", "separator", "atrium:time", "atrium:continue", "atrium:stop"],
        "tiles": ["atrium:scale"],
        "opened": ["http://localhost:8000/hub/home", "http://founder.localhost:8000/user/founder/atrium/scaling"],
        "label": "Go to the start page",
    }


def first_saves(folder: Path, statements: str) -> Any:
    """What ``statements`` leave in ``result``, with the first saves of a page and a browser's storage."""
    shutil.copy(SOURCE.with_name("sharing.js"), folder / "sharing.mjs")
    script = f"""
        import {{ FirstSaves, folderOf }} from "./sharing.mjs";
        const items = {{}};
        const storage = {{ getItem: (key) => items[key] ?? null, setItem: (key, text) => (items[key] = text) }};
        const saves = new FirstSaves(storage);
        const can = {{ project: "demo", sentences: ["All members of demo can edit this file."] }};
        let result;
        {statements}
        console.log(JSON.stringify(result ?? null));
    """
    argv = [str(NODE), "--input-type=module", "--eval", script]
    process = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    return json.loads(process.stdout)


def test_the_first_save_in_a_project_says_who_can_edit(tmp_path: Path) -> None:
    again = "new FirstSaves(storage).sentence(can)"
    assert first_saves(tmp_path, f"result = [saves.sentence(can), saves.sentence(can) ?? null, {again} ?? null]") == [
        "All members of demo can edit this file.",
        None,
        None,
    ]
    assert first_saves(tmp_path, "result = saves.sentence({ project: null, sentences: [] })") is None


def test_a_file_that_members_cannot_edit_is_said_all_the_same(tmp_path: Path) -> None:
    cannot = '{ project: "demo", sentences: ["Other members of demo cannot edit this file."] }'
    assert "cannot" in first_saves(tmp_path, f"saves.sentence(can); result = saves.sentence({cannot})")


def test_the_server_is_asked_once_for_each_folder(tmp_path: Path) -> None:
    paths = '["projects/demo/a.ipynb", "projects/demo/b.ipynb", "projects/demo/c/d.csv", "e.txt", "f.txt"]'
    assert first_saves(tmp_path, f"result = {paths}.map((path) => saves.isNew(path))") == [
        True,
        False,
        True,
        True,
        False,
    ]
