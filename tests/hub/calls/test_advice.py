"""The adviser and the calculator, on the shipped programme."""

from datetime import UTC, datetime

import pytest

from hub.calls import adviser, calculator, programme, service
from hub.calls.models import Need, Workload
from hub.errors import InvalidInput
from hub.settings import Settings

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def data():
    return programme.current(Settings())


def advise(session, data, moment=MONDAY, **changes):
    need = {"goal": "try", "kind": "company", "country": "AT", "gpu_hours": 500, "months": 2} | changes
    statuses = service.statuses(session, data, moment)
    return adviser.advise(data, statuses, Need.model_validate(need), moment)


@pytest.mark.parametrize(
    ("need", "mode"),
    [
        ({}, "playground"),
        ({"goal": "train", "gpu_hours": 20_000}, "fast-lane"),
        ({"goal": "train", "gpu_hours": 50_000}, "fast-lane"),
        ({"goal": "train", "gpu_hours": 50_001, "months": 12}, "large-scale"),
        ({"goal": "science", "kind": "university", "months": 6}, "ai-for-science"),
        ({"kind": "company", "goal": "science", "gpu_hours": 100}, "playground"),
        ({"goal": "train", "gpu_hours": 100}, "playground"),  # less than the smallest amount of Fast Lane
        ({"goal": "train", "gpu_hours": 7_000}, "fast-lane"),  # more than Playground, though less than its smallest
        ({"goal": "science", "gpu_hours": 100, "conditions": {"funded-project": True}}, "ai-for-science"),
    ],
)
def test_the_recommended_mode_comes_first(session, data, need, mode):
    first, *rest = advise(session, data, **need)
    assert (first.mode, first.recommended, first.fits) == (mode, True, True)
    assert first.reasons
    assert first.source.as_of
    assert not any(option.recommended for option in rest)
    assert all(option.against for option in rest if not option.fits)


def test_reasons_against_other_modes_are_given(session, data):
    against = {
        option.mode: " ".join(option.against)
        for option in advise(session, data, goal="train", gpu_hours=60_000, months=6)
    }
    assert "at most 50\u202f000 GPU hours" in against["fast-lane"]
    assert "at most 3 months" in against["playground"]
    assert "only inside a project funded by Horizon Europe" in against["ai-for-science"]
    for_public = {option.mode: " ".join(option.against) for option in advise(session, data, kind="public")}
    assert "Playground is for companies. Public bodies can apply for AI for Science." in for_public["playground"]


def test_hurry_speaks_against_cut_offs(session, data):
    [large] = [
        option
        for option in advise(session, data, gpu_hours=60_000, starts_within_days=7)
        if option.mode == "large-scale"
    ]
    assert not large.fits
    assert "start within 7" in " ".join(large.against)


def test_a_country_that_does_not_take_part_fits_nowhere(session, data):
    advice = advise(session, data, country="US")
    assert not any(option.fits or option.recommended for option in advice)


def test_due_dates_of_rolling_calls_and_of_cut_offs(session, data):
    days = {option.mode: option.decision_by for option in advise(session, data)}
    assert str(days["playground"]) == "2026-11-25"
    assert str(days["fast-lane"]) == "2026-11-27"
    assert str(days["large-scale"]) == "2026-12-14"  # ten working days after the cut-off of 30 November
    december = {option.mode: option.decision_by for option in advise(session, data, moment=DECEMBER)}
    assert str(december["large-scale"]) == "2027-01-07"  # after the cut-off of 15 December, holidays left out


def test_hours_of_a_training_run_with_its_formula(data):
    calculation = calculator.calculate(data, Workload(parameters=7e9, tokens=1e12, gpus=8, system="atrium-gpu"))
    assert calculation.gpu_hours == pytest.approx(6 * 7e9 * 1e12 / (312e12 * 0.4 * 3600), abs=0.1)
    assert calculation.wall_hours == pytest.approx(calculation.gpu_hours / 8, abs=0.1)
    assert (calculation.memory_gb, calculation.gpus_at_least) == (112, 3)
    assert "7 billion parameters" in calculation.formula
    assert {source.id for source in calculation.sources} == {
        *("scaling-laws", "a100", "site", "gpai-guidelines", "systemic-risk")
    }


@pytest.mark.parametrize(("gpus", "remarks"), [(4, 1), (8, 0), (None, 0)])
def test_more_gpus_than_there_are_get_a_remark_where_their_number_is_known(data, gpus, remarks):
    workload = Workload(parameters=7e9, tokens=1e12, gpus=8, system="atrium-gpu")
    calculation = calculator.calculate(data, workload, gpus=gpus)
    assert calculation.remarks.count(f"This system has {gpus} GPUs.") == remarks


def test_a_model_that_does_not_fit_gets_a_remark(data):
    calculation = calculator.calculate(data, Workload(parameters=7e10, tokens=1e9, gpus=2, system="atrium-gpu"))
    assert any("at least 28" in remark for remark in calculation.remarks)


@pytest.mark.parametrize("system", ["atrium-cpu", "nowhere"])
def test_only_a_system_with_gpus_can_be_calculated(data, system):
    with pytest.raises(InvalidInput) as refused:
        calculator.calculate(data, Workload(parameters=1, tokens=1, gpus=1, system=system))
    assert refused.value.field == "system"


def test_calls_and_decisions_follow_the_days_of_the_programme_s_zone(session, data):
    before_midnight, after = datetime(2027, 12, 31, 22, 59, tzinfo=UTC), datetime(2027, 12, 31, 23, 1, tzinfo=UTC)
    assert service.status(session, data, "playground-2026", before_midnight).accepts
    assert not service.status(session, data, "playground-2026", after).accepts
    first = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    assert service.status(session, data, "playground-2026", first).accepts, "in Brussels it is 1 January"
    night = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # Monday in Brussels
    days = {option.mode: option.decision_by for option in advise(session, data, moment=night)}
    assert str(days["playground"]) == "2026-11-25"


def test_a_decision_is_never_due_before_the_application_came(session, data):
    status = service.status(session, data, "large-scale-2026", MONDAY)
    late = datetime(2027, 1, 20, 9, tzinfo=UTC)
    assert adviser.decision_by(data, data.mode("large-scale"), status, late) > late.date()
