"""Every setting is described, and the page of all settings is current."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from hub import cli, settings_reference
from hub.sections import unit_of
from hub.settings import Settings
from hub.settings_reference import COMMAND, markdown, tables

PAGE = Path(__file__).parent.parent.parent / "deploy/settings.md"

FIELDS = {
    ".".join((*keys, name)): field for keys, model in tables(Settings) for name, field in model.model_fields.items()
}


def is_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(is_number, get_args(annotation)))


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(), f"deploy/settings.md is out of date: run {COMMAND}"


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_has_a_description_and_a_number_its_unit(name: str) -> None:
    field = FIELDS[name]

    assert field.description
    assert field.description.rstrip().endswith(".")
    assert bool(unit_of(field)) == is_number(field.annotation)


def test_every_section_is_described() -> None:
    assert [keys for keys, model in tables(Settings) if "__doc__" not in vars(model) or not model.__doc__] == []


def test_the_command_needs_no_settings_and_shows_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATRIUM_API__DATABASE_URL", "postgresql://atrium:s3cret@db/atrium")
    monkeypatch.setenv("ATRIUM_WEATHER__RAIN", "1")

    assert cli.main(["settings"]) == 0
    assert capsys.readouterr().out == settings_reference.markdown()
    assert "s3cret" not in settings_reference.markdown()
