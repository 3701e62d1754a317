"""Where the page "Continue in a new job" may lead, and what it says."""

import pytest
from jupyterhub import handlers

from spawners import continuing

PREFIX = "/user/founder/"


@pytest.mark.parametrize(
    "path",
    [
        "/user/founder/",
        "/user/founder/lab",
        "/user/founder/lab/workspaces/auto-x/tree/a%20b.ipynb?reset#top",
        "/user/founder/train/lab",
    ],
)
def test_ones_own_pages(path):
    assert continuing.below(path, PREFIX)


@pytest.mark.parametrize(
    "path",
    [
        "/user/colleague/lab",
        "/user/founderx/lab",
        "/user/founder/../colleague/lab",
        "/user/founder/%2e%2e/colleague/lab",
        "/user/founder/..%2fcolleague/lab",
        "/user/founder/..\\colleague/lab",
        "//user/founder/lab",
        "///elsewhere.example/user/founder/",
        "/hub/logout",
        "/",
        "",
    ],
)
def test_nothing_else(path):
    assert not continuing.below(path, PREFIX)


def test_a_choice_in_words():
    chosen = {"account": "demo", "partition": "gpu", "cpus": 4, "memory_gb": 16, "gpus": 2, "minutes": 90}
    assert continuing.words(chosen) == "4 cores, 16 GB, 2 GPUs, 1 h 30 min in demo"
    assert continuing.words({"cpus": 1, "minutes": 60}).startswith("1 core, 4 GB, 1 h in ")


def test_a_choice_that_cannot_be_read_is_left_out():
    assert continuing.words({"cmd": "/bin/sh"}) == ""


def test_the_page_is_among_the_hubs_once():
    continuing.install()
    continuing.install()
    assert [entry[1] for entry in handlers.default_handlers if entry[0] == continuing.ROUTE] == [
        continuing.ContinueHandler
    ]
