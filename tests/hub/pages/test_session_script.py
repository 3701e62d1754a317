"""What open pages do when their session ends: session.js, and JupyterLab's plugin on top of it, in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hub.pages import frame

ROOT = Path(__file__).parents[3]
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js, as the proxy does")

MARIA, JAN, NOBODY, SILENCE = {"person": "maria"}, {"person": "jan"}, 403, 503

BROWSER = """
    const wait = (ms) => new Promise((resolve) => realTimeout(resolve, ms));
    const realTimeout = globalThis.setTimeout;
    globalThis.setTimeout = (action) => realTimeout(action, 0);
    let tick; // asks the server, and ends when the page has done with the answer
    globalThis.setInterval = (action) => { tick = action; };
    globalThis.document = { hidden: false, addEventListener: () => {}, getElementById: () => null };
    let answer;
    let requests = 0;
    const begin = async () => {
        while (requests < 2) {
            await tick?.();
            await wait(1);
        }
    };
    globalThis.fetch = async () => {
        requests += 1;
        if (typeof answer === "number") return { ok: false, status: answer };
        return { ok: true, status: 200, json: async () => answer };
    };
"""


def run(folder: Path, script: str) -> object:
    """What ``script`` prints as JSON; ``session.mjs`` and ``signed_out.mjs`` lie beside it."""
    shutil.copy(frame.STATIC / "session.js", folder / "session.mjs")
    shutil.copy(ROOT / "widgets/labextension/static/signed_out.js", folder / "signed_out.mjs")
    argv = [str(NODE), "--input-type=module", "--eval", BROWSER + script]
    process = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(process.stdout)


def events(folder: Path, answers: list[object], *, hidden: bool = False) -> object:
    """Which of its two callbacks ``watch`` calls while the server gives ``answers``."""
    return run(
        folder,
        f"""
        const answers = {json.dumps(answers)};
        answer = answers.shift();
        const {{ watch }} = await import("./session.mjs");
        const events = [];
        watch(() => events.push("ended"), () => events.push("renewed"));
        await begin();
        document.hidden = {json.dumps(hidden)};
        for (answer of answers) await tick();
        console.log(JSON.stringify(events));
        """,
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([MARIA, MARIA, NOBODY, NOBODY, MARIA, MARIA], ["ended", "renewed"]),
        ([MARIA, SILENCE, SILENCE, MARIA], []),
        ([MARIA, NOBODY, SILENCE, NOBODY], ["ended"]),
        ([MARIA, NOBODY, JAN, MARIA], ["ended", "renewed"]),
        ([MARIA, JAN, JAN], ["ended"]),
        ([NOBODY, NOBODY], []),
        ([{}, NOBODY], []),
    ],
    ids=[
        "there and back",
        "no answer",
        "no answer after the end",
        "somebody else",
        "taken over",
        "nobody",
        "old server",
    ],
)
def test_a_page_says_once_that_its_session_has_ended(tmp_path: Path, answers: list[object], expected: object) -> None:
    assert events(tmp_path, answers) == expected


def test_a_hidden_page_asks_nothing(tmp_path: Path) -> None:
    assert events(tmp_path, [MARIA, NOBODY], hidden=True) == []


def test_lab_does_not_wait_for_itself_and_shows_a_dialog_and_a_reminder(tmp_path: Path) -> None:
    shown = run(
        tmp_path,
        """
        import { pathToFileURL } from "node:url";
        import { mkdirSync, copyFileSync, writeFileSync } from "node:fs";
        mkdirSync("atrium/static", { recursive: true });
        copyFileSync("session.mjs", "atrium/static/session.js");
        writeFileSync("package.json", '{"type": "module"}');
        const shown = [];
        class Dialog {
            static cancelButton = (options) => options.label;
            static okButton = (options) => options.label;
            constructor(options) { this.options = options; }
            launch() { shown.push(["dialog", this.options.title]); return new Promise(() => {}); }
            static flush() { shown.push(["others closed"]); }
        }
        const Notification = {
            warning: (text) => { shown.push(["reminder", text]); return text; },
            dismiss: (text) => shown.push(["dismissed", text]),
        };
        const PageConfig = { getBaseUrl: () => `${pathToFileURL(process.cwd())}/` };
        answer = { person: "maria" };
        const { plugin } = await import("./signed_out.mjs");
        const { activate } = await plugin(async () => ({ Dialog, Notification, PageConfig }));
        let restore;
        const restored = new Promise((resolve) => { restore = resolve; });
        await activate({ restored });
        restore();
        await begin();
        for (answer of [403, { person: "maria" }]) await tick();
        console.log(JSON.stringify(shown));
        """,
    )
    ended, renewed = "You have signed out", "You are signed in again"
    assert shown == [
        ["others closed"],
        ["reminder", f"{ended}."],
        ["dialog", ended],
        ["dismissed", f"{ended}."],
        ["others closed"],
        ["reminder", f"{renewed}."],
        ["dialog", renewed],
    ]
