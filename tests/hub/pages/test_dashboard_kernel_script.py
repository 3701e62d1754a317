"""What an open dashboard does when its kernel is gone, silent or not to be reached: dashboard_kernel.js in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.pages import frame

NODE = shutil.which("node")
SCRIPTS: tuple[Path, ...] = (frame.STATIC / "xsrf.js", frame.STATIC / "dashboard_kernel.js")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js, as the proxy does")

ENDED = "This page has ended."
AWAY = "This page gets no answer at the moment."

BROWSER = """
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    const signal = () => {
        const slots = [];
        const emit = (...values) => slots.forEach((slot) => slot({}, ...values));
        return { connect: (slot) => slots.push(slot), emit };
    };
    const listeners = {};
    const listen = (type, action) => { listeners[type] = action; };

    const button = { disabled: false };
    const config = { textContent: '{"baseUrl": "/base/", "kernelId": "k"}' };
    const text = { value: "typed", readOnly: false, closest: () => null };
    const address = { value: "", readOnly: false, closest: () => ({}) };
    const sentence = { textContent: "" };
    const load = { hidden: true, addEventListener: (type, action) => { load[type] = action; } };
    const notice = { hidden: true, querySelector: (selector) => (selector === "p" ? sentence : load) };
    const main = {
        dataset: {},
        hasAttribute: (name) => name === "data-introduce",
        querySelectorAll: (selector) => (selector.includes("textarea") ? [text, address] : [button]),
    };

    let reloads = 0;
    let budget = 0; // how often dashboard.js still loads the page again
    let tick = () => {};
    let answer = () => { throw new Error("not reached"); };
    const requests = [];
    globalThis.setInterval = (action) => { tick = action; };
    globalThis.fetch = async (url, options) => {
        requests.push(`${options.method ?? "GET"} ${url} ${options.headers?.["X-XSRFToken"] ?? ""}`.trim());
        const [status, type] = answer();
        return { status, ok: status < 400, headers: { get: () => type } };
    };
    const beacons = [];
    globalThis.FormData = class extends Array { append(...field) { this.push(field); } };
    Object.defineProperty(globalThis, "navigator", {
        value: { sendBeacon: (url, form) => beacons.push([url, form]) }, configurable: true,
    });
    globalThis.location = { reload: () => { reloads += 1; } };
    globalThis.window = { addEventListener: listen };
    globalThis.Event = class { constructor(type) { this.type = type; } };
    globalThis.document = {
        hidden: false,
        cookie: "_xsrf=token",
        getElementById: (id) => ({ main, "dashboard-ended": notice, "jupyter-config-data": config })[id],
        dispatchEvent: () => {
            if (!budget) return true;
            budget -= 1;
            reloads += 1;
            return false;
        },
    };

    let replies = true;
    const kernel = {
        id: "k",
        status: "idle",
        isDisposed: false,
        connectionStatus: "connected",
        serverSettings: { baseUrl: "/base/" },
        anyMessage: signal(),
        questions: 0,
        requestKernelInfo: async () => {
            kernel.questions += 1;
            if (replies) kernel.anyMessage.emit({ direction: "recv" });
        },
    };
    const manager = { kernel, restored: signal(), restoredStatus: false };
    const ticks = async (count) => {
        for (let number = 0; number < count; number += 1) {
            tick();
            await settle();
        }
    };
    const begin = async () => {
        answer = () => [204, ""];
        window.jupyterapp = { widgetManager: manager };
        manager.restored.emit();
        await settle();
        requests.length = 0;
        answer = () => { throw new Error("not reached"); };
    };
    const page = () => ({
        words: notice.hidden ? "" : sentence.textContent,
        locked: button.disabled, fixed: text.readOnly, offers: !load.hidden, reloads, requests,
    });
"""


def run(text: str) -> Any:
    """What the expression at the end of ``text`` is, after the page's scripts were loaded."""
    *steps, last = text.strip().splitlines()
    scripts = (script.read_text() for script in SCRIPTS)
    lines = [BROWSER, *scripts, "(async () => {", *steps, f"console.log(JSON.stringify({last}));", "})();"]
    argv = [str(NODE), "--eval", "\n".join(lines)]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)


# -- the kernel has ended ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ['kernel.status = "dead";', "kernel.isDisposed = true;"])
def test_a_page_whose_kernel_ended_says_so_and_locks_its_buttons(change: str) -> None:
    page = run(f"await begin();\n{change}\nawait ticks(1);\npage()")

    assert page["words"].startswith(ENDED)
    assert (page["locked"], page["fixed"], page["offers"], page["reloads"]) == (True, True, True, 0)


@pytest.mark.parametrize(
    ("is_kept", "value", "words"),
    [
        ("yes", "typed", f"{ENDED} Load it again: what you typed is kept."),
        ("no", "typed", f"{ENDED} Copy what you typed, then load it again."),
        ("", "", f"{ENDED} Load it again."),
    ],
)
def test_it_promises_to_keep_only_what_is_kept(is_kept: str, value: str, words: str) -> None:
    typed = f"main.dataset.typedKept = {json.dumps(is_kept)}; text.value = {json.dumps(value)};"

    assert run(f"await begin();\n{typed}\nkernel.status = 'dead';\nawait ticks(1);\npage()")["words"] == words


def test_the_button_loads_the_page_again() -> None:
    assert run("await begin();\nkernel.status = 'dead';\nawait ticks(1);\nload.click();\npage()")["reloads"] == 1


def test_an_end_is_final() -> None:
    page = run("""
        await begin();
        kernel.status = "dead";
        await ticks(1);
        kernel.status = "idle";
        button.disabled = false; // drawn anew by a part of the page that lives in the browser
        await ticks(1);
        page()
    """)

    assert page["words"].startswith(ENDED)
    assert page["locked"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('[404, "application/json"]', ENDED),
        ('[404, "text/html"]', AWAY),  # of the Hub, for a moment in which the proxy does not know the service
        ('[503, "text/html"]', AWAY),
        ('[200, "application/json"]', AWAY),
        ("(() => { throw new Error(); })()", AWAY),
    ],
)
def test_a_service_that_does_not_know_the_kernel_has_ended_it(answer: str, words: str) -> None:
    page = run(f"""
        await begin();
        answer = () => {answer};
        kernel.connectionStatus = "connecting";
        await ticks(8);
        page()
    """)

    assert page["words"].startswith(words)
    assert page["locked"]
    assert "GET /base/api/kernels/k token" in page["requests"]


# -- the kernel does not answer ---------------------------------------------------------------------------------------


def test_a_kernel_that_hangs_is_noticed_within_five_seconds() -> None:
    page = run("await begin();\nreplies = false;\nawait ticks(9);\npage()")

    assert page["words"].startswith(AWAY)
    assert (page["locked"], page["fixed"], page["offers"]) == (True, False, False)


def test_a_page_goes_on_when_its_kernel_answers_again() -> None:
    page = run("""
        await begin();
        replies = false;
        await ticks(9);
        kernel.anyMessage.emit({ direction: "recv" });
        await ticks(1);
        page()
    """)

    assert (page["words"], page["locked"]) == ("", False)


def test_a_connection_that_comes_back_unlocks_the_page() -> None:
    page = run("""
        await begin();
        kernel.connectionStatus = "connecting";
        await ticks(8);
        kernel.connectionStatus = "connected";
        await ticks(1);
        page()
    """)

    assert (page["words"], page["locked"]) == ("", False)


def test_a_kernel_that_answers_is_asked_now_and_then_and_nothing_is_said() -> None:
    page = run("await begin();\nawait ticks(60);\n({...page(), questions: kernel.questions})")

    assert (page["words"], page["locked"]) == ("", False)
    assert 10 <= page["questions"] <= 20


def test_a_page_that_nobody_sees_asks_nothing() -> None:
    assert run("await begin();\ndocument.hidden = true;\nawait ticks(60);\nkernel.questions") == 0


# -- the page has no widgets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        "window.jupyterapp = { widgetManager: null };",
        "window.jupyterapp = { widgetManager: manager }; await ticks(6);",
        "window.jupyterapp = { widgetManager: manager }; kernel.status = 'dead'; await ticks(1);",
    ],
    ids=["its kernel was gone", "nothing comes", "its kernel ends"],
)
def test_a_page_without_widgets_is_loaded_again_within_three_seconds(start: str) -> None:
    page = run(f"budget = 1;\n{start}\npage()")

    assert (page["reloads"], page["words"]) == (1, "")


@pytest.mark.parametrize(
    "start",
    [
        "window.jupyterapp = { widgetManager: null };",
        "window.jupyterapp = { widgetManager: manager }; kernel.status = 'dead'; await ticks(1);",
    ],
)
def test_a_page_that_was_loaded_again_in_vain_says_that_it_has_ended(start: str) -> None:
    assert run(f"{start}\npage()")["words"].startswith(ENDED)


def test_a_page_whose_widgets_arrive_is_not_loaded_again() -> None:
    page = run("""
        budget = 1;
        window.jupyterapp = { widgetManager: manager };
        for (let number = 0; number < 5; number += 1) {
            kernel.anyMessage.emit({ direction: "recv" });
            await ticks(5);
        }
        page()
    """)

    assert page["reloads"] == 0


def test_a_page_from_the_browsers_memory_whose_kernel_is_gone_is_loaded_again() -> None:
    steps = "await begin();\nlisteners.pageshow({{ persisted: {} }});\nreloads"

    assert run(steps.format("true").replace("begin();", "begin(); kernel.isDisposed = true;")) == 1
    assert run(steps.format("true")) == 0
    assert run(steps.format("false").replace("begin();", "begin(); kernel.isDisposed = true;")) == 0


def test_a_page_that_is_being_left_says_nothing() -> None:
    steps = "await begin();\nlisteners.beforeunload();\nkernel.isDisposed = true;\nawait ticks({});\npage()"

    assert run(steps.format(5))["words"] == ""
    assert run(steps.format(11))["words"].startswith(ENDED), "its person stayed, and Voila has ended the kernel"


def test_a_page_that_is_left_before_voila_runs_ends_its_kernel() -> None:
    early = "listeners.pagehide();\nbeacons"

    assert run(early) == [["/base/voila/api/shutdown/k", [["_xsrf", "token"]]]]
    assert run(f"await begin();\n{early}") == [], "Voila does it"
    assert run(f"config.textContent = '{{}}';\n{early}") == []


# -- the visitor ------------------------------------------------------------------------------------------------------


def test_the_kernel_learns_its_visitor_once_the_page_has_its_widgets() -> None:
    requests = run("""
        answer = () => [204, ""];
        window.jupyterapp = { widgetManager: manager };
        await ticks(3);
        const before = requests.length;
        manager.restored.emit();
        await ticks(3);
        manager.restored.emit(); // once more, after a lost connection
        await ticks(3);
        [before, requests]
    """)

    assert requests == [0, ["POST /base/api/kernels/k/shown token"]]


def test_an_introduction_that_failed_is_repeated() -> None:
    requests = run("""
        answer = () => [requests.length < 3 ? 502 : 204, ""];
        window.jupyterapp = { widgetManager: manager };
        manager.restored.emit();
        await settle();
        await ticks(9);
        requests.length
    """)

    assert requests == 3
