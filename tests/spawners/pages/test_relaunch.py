"""Where the page "Continue in a new job" may lead, and what it says."""

import pytest
from jupyterhub import handlers

from spawners.pages import relaunch

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
def test_pages_of_the_persons_own_server_are_accepted(path):
    assert relaunch.below(path, PREFIX)


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
def test_other_addresses_are_refused(path):
    assert not relaunch.below(path, PREFIX)


def test_the_page_is_among_the_hubs_once():
    relaunch.install()
    relaunch.install()
    assert [entry[1] for entry in handlers.default_handlers if entry[0] == relaunch.ROUTE] == [relaunch.ContinueHandler]
