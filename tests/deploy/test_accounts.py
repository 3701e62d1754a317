"""The account helper accepts valid names only, and changes no accounts of others."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from deploy.dev import accounts
from deploy.dev.accounts import Accounts, check_name
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options
from deploy.dev.logins import people


@pytest.mark.parametrize("name", ["founder", "learner01", "t-founder", "_x", "a" * 31])
def test_plain_names_pass(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "founder\n",
        "founder\nroot",
        "\nfounder",
        "..",
        "../etc",
        "a/b",
        "Founder",
        "FOUNDER",
        "-r",
        "--root",
        "--remove",
        "1founder",
        "a b",
        "a;id",
        "$(id)",
        "a$",
        "a:b",
        "fóunder",
        "a\0b",
        "a" * 32,
    ],
)
def test_an_invalid_account_name_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match="cannot be an account"):
        check_name(name)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """A helper that can look at the machine's accounts but runs no command."""

    def refuse(argv: list[str]) -> None:
        pytest.fail(f"ran {argv}")

    monkeypatch.setattr(accounts, "_change", refuse)
    return Accounts(Layout(Options(prefix=str(tmp_path))))


@pytest.mark.parametrize("name", ["root", "daemon", "nobody"])
def test_an_account_of_the_machine_is_neither_made_nor_removed(helper: Accounts, name: str) -> None:
    with pytest.raises(DeployError, match="not Atrium's"):
        helper.create(name)
    assert not helper.remove(name)
    assert helper.collisions([name]) == [name]


def test_an_account_in_the_ledger_alone_is_not_ours(tmp_path: Path, helper: Accounts) -> None:
    """Somebody who writes a name into the ledger, or makes an account of that name later, gains nothing."""
    (tmp_path / "etc/atrium").mkdir(parents=True)
    (tmp_path / "etc/atrium/accounts.json").write_text('{"people": ["daemon"], "groups": []}')
    assert helper.people() == ["daemon"]
    assert not helper.remove("daemon")


@pytest.mark.parametrize(
    ("comment", "home", "uid", "ours"),
    [
        ("Founder,Atrium demo", "/home/founder", 1001, True),
        ("Atrium demo", "/home/founder", 1001, True),
        ("Founder,Atrium demo other", "/home/founder", 1001, False),
        ("Atrium demo,Founder", "/home/founder", 1001, False),
        ("Founder,Atrium demo", "/home/somebody", 1001, False),
        ("Founder,Atrium demo", "/home/founder", 999, False),
        ("", "/home/founder", 1001, False),
    ],
)
def test_an_account_is_ours_by_its_mark_whatever_name_stands_before_it(
    monkeypatch: pytest.MonkeyPatch, comment: str, home: str, uid: int, ours: bool
) -> None:
    account = pwd.struct_passwd(("founder", "x", uid, uid, comment, home, "/bin/bash"))
    monkeypatch.setattr(accounts, "_account", lambda _name: account)
    monkeypatch.setattr(accounts, "_group", lambda _name: None)
    monkeypatch.setattr(Accounts, "people", lambda _self: ["founder"])
    assert Accounts(Layout(Options())).collisions(["founder"]) == ([] if ours else ["founder"])


@pytest.mark.parametrize("name", ["../root", "-r", "x\n"])
def test_creating_and_removing_check_the_account_name(helper: Accounts, name: str) -> None:
    for act in (helper.create, helper.remove):
        with pytest.raises(DeployError, match="cannot be an account"):
            act(name)


def test_a_home_that_is_there_already_is_not_taken_over(tmp_path: Path, helper: Accounts) -> None:
    name = "atrium-test-nobody-has-this"
    with pytest.raises(KeyError):
        pwd.getpwnam(name)
    (tmp_path / "home" / name).mkdir(parents=True)
    with pytest.raises(DeployError, match="exists already without an account"):
        helper.create(name)


def test_the_demo_has_everybody_the_journeys_need() -> None:
    names = [person.name for person in people("t-")]
    assert len(names) == len(set(names)) == 26
    assert {"t-founder", "t-colleague", "t-trainer", "t-learner01", "t-learner20"} <= set(names)
    assert {"t-analyst", "t-reviewer", "t-admin"} <= set(names)
    assert all(check_name(name) for name in names)
