"""Settings that are wrong are refused with a sentence for each problem, and no value is repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from hub import cli
from hub.errors import SettingsError
from hub.settings import Site, load


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What :func:`load` says about a file and variables, with FILE for the file's path."""
    file = tmp_path / "atrium.toml"
    monkeypatch.setenv("ATRIUM_CONFIG", str(file))

    def read(text: str = "", **variables: str) -> list[str]:
        file.write_text(text)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        load.cache_clear()
        with pytest.raises(SettingsError) as error:
            load()
        return error.value.message.replace(str(file), "FILE").splitlines()

    return read


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[spwan]\nrequeue = true", "FILE: [spwan] is unknown. Did you mean [spawn]?"),
        ("[spawn]\nidel_minutes = 5", "FILE: spawn.idel_minutes is unknown. Did you mean spawn.idle_minutes?"),
        ("[weather]\nrain = true", "FILE: [weather] is unknown."),
        ("[mail]\nweather = 1", "FILE: mail.weather is unknown."),
        (
            "idle_minutes = 5",
            "FILE: idle_minutes is unknown. idle_minutes is a key of [dashboards], [[spawn.profiles]] and [spawn].",
        ),
        ("[hub]\nos_group = 'x'", "FILE: hub.os_group is unknown. os_group is a key of [login]."),
        (
            "[mail]\nport = 25",
            "FILE: mail.port is unknown. Did you mean mail.smtp_port? port is a key of [nginx], [hub] and [api].",
        ),
        ("[site.hub]\nport = 1", "FILE: [site.hub] is unknown. [hub] is a section of its own."),
        (
            "[[spawn.profiles]]\nname = 'x'\ntitle = 'X'\ncpu = 3",
            "FILE: spawn.profiles[0].cpu is unknown. Did you mean spawn.profiles.cpus?",
        ),
        ("[spawn]\nidle_minutes = 0", "FILE: spawn.idle_minutes: Input should be greater than 0."),
        (
            "[site]\npublic_url = 'http://10.0.0.1'",
            "FILE: site.public_url is an IP address; per-user domains need a name (or origins = 'path').",
        ),
        ("[spawn", "FILE: Expected ']' at the end of a table declaration (at end of document)."),
    ],
)
def test_a_wrong_file_is_a_sentence(problems: Callable[..., list[str]], text: str, sentence: str) -> None:
    assert problems(text) == [sentence]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "ATRIUM_SPWAN__IDLE_MINUTES",
            "The variable ATRIUM_SPWAN__IDLE_MINUTES is unknown. Did you mean ATRIUM_SPAWN__IDLE_MINUTES?",
        ),
        (
            "ATRIUM_SPAWN__IDEL_MINUTES",
            "The variable ATRIUM_SPAWN__IDEL_MINUTES is unknown. Did you mean ATRIUM_SPAWN__IDLE_MINUTES?",
        ),
        (
            "ATRIUM_HUB__SMTP_HOST",
            "The variable ATRIUM_HUB__SMTP_HOST is unknown. Did you mean ATRIUM_HUB__HOST? "
            "smtp_host is a key of [mail].",
        ),
        ("ATRIUM_WEATHER__RAIN", "The variable ATRIUM_WEATHER__RAIN is unknown."),
        (
            "ATRIUM_HUB__PORT",
            "ATRIUM_HUB__PORT: hub.port: Input should be a valid integer, unable to parse string as an integer.",
        ),
        (
            "ATRIUM_SPAWN",
            'A variable cannot be read as JSON: error parsing value for field "spawn" from source "EnvSettingsSource".',
        ),
    ],
)
def test_a_wrong_variable_is_a_sentence(problems: Callable[..., list[str]], name: str, sentence: str) -> None:
    assert problems(**{name: "s3cret"}) == [sentence]


def test_a_wrong_key_in_a_variables_json_is_the_variables(problems: Callable[..., list[str]]) -> None:
    profiles = '[{"name": "x", "title": "X", "cpu": 3}]'
    assert problems(ATRIUM_SPAWN__PROFILES=profiles) == [
        "ATRIUM_SPAWN__PROFILES: spawn.profiles[0].cpu is unknown. Did you mean spawn.profiles.cpus?"
    ]


def test_everything_wrong_is_said_at_once_and_no_value_is_repeated(problems: Callable[..., list[str]]) -> None:
    text = "[spwan]\nx = 's3cret'\n[hub]\nport = 's3cret'\nprot = 's3cret'\n"
    sentences = problems(text, ATRIUM_MIAL__SENDER="s3cret", ATRIUM_API__PROT="s3cret")

    assert len(sentences) == 5
    assert "s3cret" not in "".join(sentences)


def test_variables_that_name_no_section_are_others_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATRIUM_PREFIX", "ATRIUM_PORT", "ATRIUM_TOKEN_FILE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ATRIUM_SPAWN__IDLE_MINUTES", "7")

    assert load().spawn.idle_minutes == 7


def test_the_command_line_says_the_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "atrium.toml"
    file.write_text("[spawn]\nrequeue = true\n")
    monkeypatch.setenv("ATRIUM_CONFIG", str(file))
    assert cli.main(["check", "--settings-only"]) == 0
    assert capsys.readouterr().out == f"settings  ok  {file}\n"

    load.cache_clear()
    file.write_text("[spwan]\nrequeue = true\n")
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == f"atrium: {file}: [spwan] is unknown. Did you mean [spawn]?\n"


@pytest.mark.parametrize(
    ("report_to", "url"),
    [
        ("", ""),
        ("help@example.eu", "mailto:help@example.eu"),
        ("help?bcc=all&x@example.eu", "mailto:help%3Fbcc%3Dall%26x@example.eu"),
        ("https://help.example.eu/new?queue=atrium", "https://help.example.eu/new?queue=atrium"),
    ],
)
def test_problems_are_reported_by_mail_or_on_a_page(report_to: str, url: str) -> None:
    assert Site(report_to=report_to).report_url == url


@pytest.mark.parametrize(
    "report_to", ["help", "javascript:alert(1)", "help@example.eu,all@example.eu", 'a"b@c.eu', "a b@c"]
)
def test_other_addresses_for_problems_are_refused(report_to: str) -> None:
    with pytest.raises(ValidationError):
        Site(report_to=report_to)
