import os

import pytest

from hub.calls import programme
from hub.errors import SettingsError
from hub.settings import Paths, Settings


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "programme.toml"
    path.write_text(programme.path(Settings()).read_text())
    return path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def settings_for(path):
    return Settings(paths=Paths(programme=path))


def test_the_shipped_programme_has_what_the_programme_promises():
    data = programme.current(Settings())
    modes = {mode.id: mode for mode in data.modes}
    assert [modes[name].decision_working_days for name in ("playground", "fast-lane", "large-scale")] == [2, 4, 10]
    assert (modes["fast-lane"].gpu_hours_up_to, modes["large-scale"].gpu_hours_over) == (50_000, 50_000)
    assert (modes["large-scale"].months, modes["ai-for-science"].months) == ((3, 6, 12), (6,))
    assert [ceiling.staff_below for ceiling in data.sme.ceilings if ceiling.sme] == [10, 50, 250]
    assert all(question.article for question in data.ai_act.questions)


def test_every_number_names_a_source_with_a_date():
    data = programme.current(Settings())
    sources = {source.id: source for source in data.sources}
    for thing in (*data.modes, *data.calls, *data.systems, *data.helpers, data.sme, data.terms, data.calculator):
        assert sources[thing.source].as_of


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('mode = "playground"', 'mode = "playgruond"', "playgruond is named but not described"),
        ("decision_working_days = 2", "decision_working_days = 0", "decision_working_days"),
        ('id = "playground"', 'id = "playground"\nsurprise = 1', "surprise"),
        ("as_of = 2003-05-06", 'as_of = "someday"', "as_of"),
        ("[terms]", "[terms", "programme.toml"),
        ("https://tefhealth.eu/", "javascript:alert(1)", "url"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(copy, old, new, problem):
    change(copy, old, new)
    with pytest.raises(SettingsError) as error:
        programme.read(copy)
    assert problem in error.value.message


def test_an_edit_counts_without_a_restart_and_a_mistake_does_not(copy, caplog):
    settings = settings_for(copy)
    assert programme.current(settings).terms.grace_days == 90
    change(copy, "grace_days = 90", "grace_days = 60")
    assert programme.current(settings).terms.grace_days == 60
    change(copy, "grace_days = 60", "grace_days = -1")
    for _ in range(2):
        assert programme.current(settings).terms.grace_days == 60
    assert caplog.text.count("using the last valid one") == 1
    copy.unlink()
    assert programme.current(settings).terms.grace_days == 60


def test_what_was_never_right_is_an_error(tmp_path):
    with pytest.raises(SettingsError):
        programme.current(settings_for(tmp_path / "missing.toml"))


def test_a_time_zone_that_does_not_exist_is_a_mistake(copy):
    copy.write_text(copy.read_text().replace('"Europe/Brussels"', '"Europe/Atlantis"'))
    with pytest.raises(SettingsError, match="no such time zone"):
        programme.read(copy)
