"""Missing fields and the AI Act self-check, with the shipped programme."""

from datetime import UTC, datetime

import pytest

from hub.applications import aiact, checks
from hub.applications.models import Form
from hub.calls import programme, service
from hub.calls.models import CallStatus
from hub.organisations.models import OrganisationForm, ProfileForm
from hub.settings import Settings
from tests.hub.fakes import FORM, ORGANISATION, QUESTIONS

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def data():
    return programme.current(Settings())


@pytest.fixture
def gaps(session, data):
    def find(changes=None, *, organisation=ORGANISATION, profile="Ada", **status):
        form = Form.model_validate(FORM | (changes or {}))
        call_status = service.status(session, data, form.call, NOW) if form.call and data.call(form.call) else None
        if call_status and status:
            call_status = CallStatus.model_validate(call_status.model_dump() | status)
        who = OrganisationForm.model_validate(organisation) if organisation else None
        return [
            gap.field for gap in checks.gaps(data, call_status, form, ProfileForm(full_name=profile), who, moment=NOW)
        ]

    return find


def resources(**changes):
    return {"resources": FORM["resources"] | changes}


def test_a_step_is_not_complete_because_no_call_is_chosen(gaps):
    assert gaps({"call": None, "resources": {}}) == [
        "call",
        "resources.gpu_hours",
        "resources.months",
        "resources.systems",
    ]


def test_an_orcid_from_before_its_check_digit_was_checked_is_named(data):
    for orcid, fields in (("0000-0002-1825-0097", []), ("0000-0002-1825-0098", ["profile.orcid"])):
        profile = ProfileForm(full_name="Ada", orcid=orcid)
        who = OrganisationForm.model_validate(ORGANISATION)
        found_gaps = checks.gaps(data, None, Form.model_validate(FORM), profile, who, moment=NOW)
        assert [gap.field for gap in found_gaps if gap.field.startswith("profile")] == fields


def test_nothing_is_missing(gaps):
    assert gaps() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"sector": "gambling"}, "sector"),
        ({"goal": None}, "goal"),
        ({"use_case": "   short   "}, "use_case"),
        ({"call": None}, "call"),
        ({"call": "no-such-call"}, "call"),
        ({"call": "ai-for-science-2026"}, "conditions.funded-project"),
        (resources(gpu_hours=0, cpu_hours=0), "resources.gpu_hours"),
        (resources(gpu_hours=5001), "resources.gpu_hours"),
        (resources(gpu_hours=5, cpu_hours=0), "resources.cpu_hours"),
        (resources(starts="2028-11-23"), "resources.starts"),
        (resources(starts="9999-12-31"), "resources.starts"),
        (resources(months=6), "resources.months"),
        (resources(months=None), "resources.months"),
        (resources(systems=[]), "resources.systems"),
        (resources(systems=["lumi"]), "resources.systems"),
        ({"data": {"personal_data": None}}, "data.personal_data"),
        ({"ai_act": {}}, "ai_act.manipulation"),
        ({"ai_act": dict.fromkeys(QUESTIONS, False) | {"social-scoring": True}}, "ai_act"),
        ({"declaration": {"civilian_use": False, "truthful": True}}, "declaration.civilian_use"),
        ({"declaration": {"civilian_use": True, "truthful": False}}, "declaration.truthful"),
        ({"call": "large-scale-2026"} | resources(months=6, gpu_hours=50_000), "resources.gpu_hours"),
    ],
)
def test_what_is_missing_is_named(gaps, changes, field):
    assert field in gaps(changes)


def test_a_limit_on_core_hours_counts_where_a_mode_has_one(data, session):
    modes = tuple(mode.model_copy(update={"cpu_hours_up_to": 999}) for mode in data.modes)
    limited, form = data.model_copy(update={"modes": modes}), Form.model_validate(FORM)
    status = service.status(session, data, form.call, NOW)
    who = OrganisationForm.model_validate(ORGANISATION)
    profile = ProfileForm(full_name="Ada")
    [gap] = checks.gaps(limited, status, form, profile, who, moment=NOW)
    assert (gap.field, gap.message) == ("resources.cpu_hours", "Playground gives at most 999 core hours.")


def test_a_condition_has_to_be_confirmed(gaps):
    science = {"call": "ai-for-science-2026"} | resources(months=6)
    assert gaps(science) == ["conditions.funded-project"]
    assert gaps(science | {"conditions": {"funded-project": False}}) == ["conditions.funded-project"]
    assert gaps(science | {"conditions": {"funded-project": True}}) == []
    assert gaps(science, organisation=ORGANISATION | {"kind": "public", "figures": None}) == []


def test_gaps_in_the_profile_and_the_organisation_are_named(gaps):
    assert gaps(profile="") == ["profile.full_name"]
    assert gaps(organisation=None) == ["organisation"]
    assert gaps(organisation=ORGANISATION | {"country": "US"}) == ["organisation.country"]
    assert gaps(organisation=ORGANISATION | {"figures": None}) == ["organisation.figures"]
    assert gaps(organisation=ORGANISATION | {"kind": "university"}) == ["call"]


def test_a_call_that_is_paused_or_full_on_the_system(gaps):
    assert gaps(accepts=False, why_not="The call is paused.") == ["call"]
    assert gaps(full_systems=("atrium-gpu",)) == ["resources.systems"]
    assert gaps(full_systems=("atrium-cpu",)) == []


def test_an_empty_form_lists_everything_once(gaps):
    empty = {"resources": {}, "data": {}, "ai_act": {}, "declaration": {}, "use_case": "", "title": ""}
    fields = gaps(empty | {"call": None, "sector": None, "goal": None}, organisation=None, profile="")
    assert len(fields) == len(set(fields)) >= 9


def answered(**yes):
    return dict.fromkeys(QUESTIONS, False) | {name.replace("_", "-"): value for name, value in yes.items()}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (answered(), "minimal"),
        (answered(talks_to_people=True), "transparency"),
        (answered(gpai=True, talks_to_people=True), "gpai"),
        (answered(annex_iii=True, gpai=True), "high-risk"),
        (answered(annex_iii=True, face_scraping=True), "prohibited"),
        ({"face-scraping": True}, "prohibited"),
        ({"gpai": True}, None),
        ({}, None),
    ],
)
def test_the_strictest_answer_counts(data, answers, outcome):
    result = aiact.check(data, Form(ai_act=answers), NOW.date())
    assert result.outcome == outcome
    assert "not legal advice" in result.advice
    assert all(finding.article for finding in result.findings)
    assert len(result.findings) == sum(answers.values())


def test_open_questions_are_named(data):
    assert len(aiact.check(data, Form(), NOW.date()).open_questions) == len(QUESTIONS)
