"""How long an open page of a dashboard asks its kernel, in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

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
        querySelector(selector) {
            if (selector === ".page-address input") return field;
            return selector.split(",").some((part) => part.trim() === shown) ? {} : null;
        },
        querySelectorAll: () => [],
    };
    globalThis.document = { getElementById: () => main };
    globalThis.location = { hash: "" };
    globalThis.window = { addEventListener() {} };
    globalThis.MutationObserver = class { observe() {} };
    globalThis.Event = class {};
    globalThis.sessionStorage = { getItem: () => "2", setItem() {}, removeItem() {} };
    globalThis.performance = { now: () => now };
    globalThis.setInterval = (action) => { tick = action; return 1; };
    globalThis.clearInterval = () => { tick = null; };
"""


def questions(shown: str, minutes: int) -> int:
    """How often a page that shows ``shown`` (a selector) asks its kernel in so many minutes."""
    after = f"for (; now < {minutes} * 60000 && tick; now += 4000) tick(); console.log(questions.length);"
    script = BROWSER.replace("SHOWN", json.dumps(shown)) + SCRIPT.read_text() + after
    argv = [str(NODE), "--eval", script]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_a_page_that_loads_asks_and_gives_up() -> None:
    assert questions(".skeleton", 1) == 15
    assert questions(".skeleton", 60) == questions(".skeleton", 600) < 60


def test_the_notice_of_the_page_around_it_is_nothing_shown() -> None:
    """It is there from the beginning, hidden (notebooks/voila/index.html.j2)."""
    assert questions(".notice", 1) == 15


@pytest.mark.parametrize("shown", ["#dashboard .notice", "[data-frame-person]"])
def test_a_page_that_shows_something_asks_nothing(shown: str) -> None:
    assert questions(shown, 60) == 0
