"""How long an open page of a dashboard asks its kernel, and when it loads itself again, in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.pages import frame

NODE = shutil.which("node")
SCRIPT: Path = frame.STATIC / "dashboard.js"

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js, as the proxy does")

BROWSER = """
    let shown = SHOWN;
    let now = 0;
    let tick = null;
    const questions = [];
    const field = {
        set value(text) { if (text) questions.push(text); },
        get value() { return ""; },
        dispatchEvent() {},
    };
    const main = {
        textContent: "",
        querySelector(selector) {
            if (selector === ".page-address input") return shown ? field : null;
            return selector.split(",").some((part) => part.trim() === shown) ? {} : null;
        },
        querySelectorAll: () => [],
    };
    const listeners = {};
    let reloads = 0;
    let place = "";
    const stored = { "atrium-again": RELOADS };
    globalThis.document = {
        getElementById: () => main,
        addEventListener: (type, action) => { listeners[type] = action; },
    };
    globalThis.history = { replaceState: (state, title, url) => { place = url; } };
    globalThis.location = { hash: HASH, pathname: "/page", search: "", reload: () => { reloads += 1; } };
    globalThis.window = { addEventListener() {} };
    globalThis.MutationObserver = class { observe() {} };
    globalThis.Event = class {};
    globalThis.sessionStorage = {
        getItem: (key) => stored[key] ?? null, setItem: (key, value) => { stored[key] = value; }, removeItem() {},
    };
    globalThis.performance = { now: () => now };
    globalThis.setInterval = (action) => { tick = action; return 1; };
    globalThis.clearInterval = () => { tick = null; };
"""


def run(shown: str, after: str, *, reloads: int = 2, fragment: str = "") -> Any:
    """What ``after`` prints, on a page that shows ``shown`` (a selector) and has loaded itself ``reloads`` times."""
    values = {"SHOWN": shown, "RELOADS": str(reloads), "HASH": fragment}
    script = BROWSER
    for name, value in values.items():
        script = script.replace(name, json.dumps(value))
    argv = [str(NODE), "--eval", f"{script}{SCRIPT.read_text()}{after}"]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)


def questions(shown: str, minutes: int) -> int:
    """How often a page that shows ``shown`` (a selector) asks its kernel in so many minutes."""
    after = f"for (; now < {minutes} * 60000 && tick; now += 4000) tick(); console.log(questions.length);"
    return int(run(shown, after))


def test_a_page_that_loads_asks_and_gives_up() -> None:
    assert questions(".skeleton", 1) == 15
    assert questions(".skeleton", 60) == questions(".skeleton", 600) < 60


def test_the_notice_of_the_page_around_it_is_nothing_shown() -> None:
    """It is there from the beginning, hidden (notebooks/voila/index.html.j2)."""
    assert questions(".notice", 1) == 15


@pytest.mark.parametrize("shown", ["#dashboard .notice", "[data-frame-person]"])
def test_a_page_that_shows_something_asks_nothing(shown: str) -> None:
    assert questions(shown, 60) == 0


@pytest.mark.parametrize("reloads", [0, 1, 2])
def test_a_page_with_a_widget_that_cannot_be_drawn_loads_itself_twice_at_most(reloads: int) -> None:
    after = "tick(); console.log(JSON.stringify([reloads, stored['atrium-again']]));"
    expected = [int(reloads < 2), str(min(reloads + 1, 2))]

    assert run(".jupyter-widgets-error-widget", after, reloads=reloads) == expected
    lost = f"main.textContent = 'Error displaying widget: model not found'; {after}"
    assert run("[data-frame-person]", lost, reloads=reloads) == expected


@pytest.mark.parametrize("reloads", [0, 2])
def test_a_page_is_loaded_again_when_its_kernel_script_asks(reloads: int) -> None:
    after = """
        let prevented = false;
        listeners["atrium-not-drawn"]({ preventDefault: () => { prevented = true; } });
        console.log(JSON.stringify([reloads, prevented]));
    """

    assert run(".skeleton", after, reloads=reloads) == ([1, True] if reloads == 0 else [0, False])


def test_a_link_that_was_not_followed_yet_is_followed_after_the_reload() -> None:
    after = """
        const before = place;
        listeners["atrium-not-drawn"]({ preventDefault: () => {} });
        console.log(JSON.stringify([before, place]));
    """

    assert run("", after, reloads=0, fragment="#/step/mode") == ["/page", "#/step/mode"]
