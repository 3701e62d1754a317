import pytest

from hub.calls.models import CallChange, CallState, Need, Workload
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound


def test_everybody_reads_the_programme(person):
    learner = person("learner01")
    assert learner.calls.programme().as_of
    assert {status.state for status in learner.calls.all()} == {CallState.OPEN}
    need = Need(goal="try", kind="company", country="AT", gpu_hours=10, months=1)
    assert learner.calls.advice(need)[0].mode == "playground"
    workload = Workload(parameters=1e9, tokens=1e9, gpus=1, system="atrium-gpu")
    assert "GPU hours =" in learner.calls.calculation(workload).formula


def test_helpers_of_the_country_and_sector_are_listed(person):
    helpers = person("learner01").calls.helpers(country="AT", sector="healthcare")
    assert helpers[0].name == "TEF-Health"
    assert {"AI Factory Austria", "European Digital Innovation Hubs"} <= {helper.name for helper in helpers}
    assert not any(helper.countries and "AT" not in helper.countries for helper in helpers)


def test_an_admin_pauses_a_call_and_says_where_it_is_full(person):
    admin = person("admin", groups=["admins"])
    paused = admin.calls.change("playground-2026", CallChange(state="paused", note="Back in March."))
    assert (paused.accepts, paused.why_not) == (False, "The call is paused. Back in March.")
    full = admin.calls.change("playground-2026", CallChange(state="open", full_systems=("atrium-gpu",)))
    assert (full.accepts, full.full_systems) == (True, ("atrium-gpu",))
    everything = admin.calls.change(
        "playground-2026", CallChange(state="open", full_systems=("atrium-gpu", "atrium-cpu"))
    )
    assert everything.why_not == "All systems of the call are full."
    events = admin.audit(on="call/playground-2026")
    assert [event.after["state"] for event in events] == ["open", "open", "paused"]
    assert events[-1].before["state"] == "open"


def test_an_invalid_change_of_a_call_is_refused(person):
    admin = person("admin", groups=["admins"])
    with pytest.raises(NotFound):
        admin.calls.change("nothing", CallChange(state="paused"))
    with pytest.raises(InvalidInput) as refused:
        admin.calls.change("playground-2026", CallChange(state="open", full_systems=("lumi",)))
    assert refused.value.field == "full_systems"
    with pytest.raises(NotAllowed):
        person("reviewer", groups=["reviewers"]).calls.change("playground-2026", CallChange(state="paused"))


def test_of_two_changes_of_a_call_of_one_reading_the_second_is_refused(person):
    first, second = (person(name, groups=["admins"]).calls for name in ("admin", "other"))
    [seen] = [status.changed for status in first.all() if status.call.slug == "playground-2026"]
    first.change("playground-2026", CallChange(state="paused", note="Back in March.", seen=seen))
    with pytest.raises(Conflict):
        second.change("playground-2026", CallChange(state="open", full_systems=("atrium-gpu",), seen=seen))
    [status] = [status for status in second.all() if status.call.slug == "playground-2026"]
    assert (status.state, status.note) == ("paused", "Back in March.")
    assert second.change("playground-2026", CallChange(state="open", seen=status.changed)).state == "open"
