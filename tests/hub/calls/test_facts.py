"""The facts of the shipped programme, each with the day on which its source said so, and the adviser on all of them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.applications import aiact
from hub.applications.models import Form
from hub.calls import adviser, calculator, programme, service
from hub.calls.calendar import day_in
from hub.calls.eligibility import country_refusal
from hub.calls.facts import in_words
from hub.calls.models import CallState, CallStatus, Confidence, Goal, Need, OrganisationKind, Price, Workload
from hub.calls.prices import price_for
from hub.errors import SettingsError
from hub.settings import Settings

DATA = programme.current(Settings())
SHIPPED = programme.path(Settings()).read_text()
INDUSTRY = ("playground", "fast-lane", "large-scale")
FUNDED = {"funded-project": True}
COMPANY = OrganisationKind.COMPANY
EARLIER_QUESTIONS = {
    *("manipulation", "vulnerability", "social-scoring", "crime-prediction", "face-scraping", "emotion-at-work"),
    *("biometric-categories", "safety-component", "annex-iii", "gpai", "talks-to-people", "synthetic-content"),
    "emotion-or-category",
}
"""Of the first programme: stored answers name them."""


def statuses(moment, accepts=lambda slug: True):
    """Calls of the programme at a moment, without a database."""
    cut_offs = {call.slug: sorted((*call.cut_offs, *call.planned_cut_offs)) for call in DATA.calls}
    following = {slug: next((day for day in days if day >= moment), None) for slug, days in cut_offs.items()}
    return tuple(
        CallStatus(
            call=call,
            state=CallState.OPEN,
            full_systems=(),
            note="",
            next_cut_off=following[call.slug],
            planned=following[call.slug] in call.planned_cut_offs,
            accepts=accepts(call.slug),
            why_not="",
        )
        for call in DATA.calls
    )


def price(mode, kind, sme=None, conditions=None):
    return price_for(DATA, DATA.mode(mode), kind, sme, conditions or {})


def self_check(day, **yes):
    answers = dict.fromkeys((question.id for question in DATA.ai_act.questions), False)
    answers |= {name.replace("_", "-"): answer for name, answer in yes.items()}
    return aiact.check(DATA, Form(ai_act=answers), day)


def brussels(day, hour, minute=0):
    """A moment of winter."""
    return datetime(day.year, day.month, day.day, hour - 1, minute, tzinfo=UTC)


# -- access modes -----------------------------------------------------------------------------------------------------


def test_modes_cite_pages_of_the_joint_undertaking_read_on_2026_10_10():
    source = DATA.source("access-modes")
    assert source.url == "https://www.eurohpc-ju.europa.eu/ai-factories/ai-factories-access-modes_en"
    assert (source.as_of, "v2025.12" in source.title) == (date(2026, 10, 10), True)
    assert all("/ai-factories/" in DATA.source(mode.source).url for mode in DATA.modes)


def test_playground_fast_lane_and_large_scale_are_for_industry_only_2026_10_10():
    assert {mode: DATA.mode(mode).kinds for mode in INDUSTRY} == dict.fromkeys(INDUSTRY, (COMPANY,))
    assert OrganisationKind.PUBLIC in DATA.mode("ai-for-science").kinds


def test_companies_use_ai_for_science_inside_a_funded_project_only_2026_04_21():
    [condition] = DATA.mode("ai-for-science").conditions
    assert (condition.kind, condition.id) == (COMPANY, "funded-project")
    assert "Horizon Europe or Digital Europe" in condition.question
    need = {"goal": "science", "kind": "company", "country": "AT", "months": 6, "gpu_hours": 100}
    for conditions, fits in (({}, False), ({"funded-project": False}, False), (FUNDED, True)):
        moment = brussels(date(2026, 12, 1), 10)
        advice = adviser.advise(DATA, statuses(moment), Need(**need, conditions=conditions), moment)
        assert [option.fits for option in advice if option.mode == "ai-for-science"] == [fits]


def test_ai_for_science_decides_within_a_month_of_the_cut_off_of_2026_12_11():
    mode = DATA.mode("ai-for-science")
    assert (mode.decision_months, mode.decision_working_days, mode.decision_time) == (1, None, "1 month")
    moment = brussels(date(2026, 12, 1), 10)
    [status] = [status for status in statuses(moment) if status.call.mode == mode.id]
    assert adviser.decision_by(DATA, mode, status, moment) == date(2027, 1, 11)


@pytest.mark.parametrize(
    ("slug", "day"),
    [
        ("ai-for-science-2026", date(2026, 12, 11)),
        ("large-scale-2026", date(2026, 11, 30)),
        ("large-scale-2026", date(2026, 12, 15)),
        ("large-scale-2026", date(2027, 1, 4)),
    ],
)
def test_published_cut_offs_of_2026_11_30_to_2027_01_04_are_at_10_00_in_brussels(session, slug, day):
    before, after = brussels(day, 10), brussels(day, 10, 1)
    status = service.status(session, DATA, slug, before)
    assert (status.next_cut_off, status.planned) == (before, False)
    assert service.status(session, DATA, slug, after).next_cut_off > before


def test_cut_offs_after_2027_01_04_are_planned_and_said_to_be(session):
    moment = brussels(date(2027, 1, 5), 9)
    status = service.status(session, DATA, "large-scale-2026", moment)
    assert (status.accepts, status.planned) == (True, True)
    need = Need(goal="train", kind="company", country="AT", gpu_hours=60_000, months=6)
    [option] = [option for option in adviser.advise(DATA, (status,), need, moment) if option.mode == "large-scale"]
    assert "planned and not published yet" in option.reasons[0]
    assert all(cut_off.hour == 10 for call in DATA.calls for cut_off in (*call.cut_offs, *call.planned_cut_offs))


def test_after_the_last_planned_cut_off_of_2027_12_15_none_is_known(session):
    status = service.status(session, DATA, "large-scale-2026", brussels(date(2027, 12, 15), 11))
    assert (status.accepts, status.why_not) == (
        False,
        "No cut-off of this call is known after 15 December 2027. Ask the factory for the next one.",
    )


def test_no_mode_limits_core_hours_without_a_source_2026_11_29():
    assert {mode.cpu_hours_up_to for mode in DATA.modes} == {None}


def test_playground_is_a_fixed_package_of_5000_gpu_hours_2026_04_21():
    [amount] = DATA.mode("playground").amounts
    assert (
        in_words(amount) == "up to 5\N{NARROW NO-BREAK SPACE}000 GPU hours, a fixed package that depends on the system"
    )


@pytest.mark.parametrize(
    ("mode", "amount"),
    [
        ("fast-lane", "10\N{NARROW NO-BREAK SPACE}000 to 50\N{NARROW NO-BREAK SPACE}000 GPU hours"),
        (
            "large-scale",
            "50\N{NARROW NO-BREAK SPACE}000 to 2\N{NARROW NO-BREAK SPACE}400\N{NARROW NO-BREAK SPACE}000 GPU hours",
        ),
        ("ai-for-science", "20\N{NARROW NO-BREAK SPACE}000 to 90\N{NARROW NO-BREAK SPACE}000 node hours"),
    ],
)
def test_sizes_of_august_2026_come_from_one_source(mode, amount):
    [entry] = DATA.mode(mode).amounts
    assert (in_words(entry), DATA.source(entry.source).confidence) == (amount, Confidence.ONE_SOURCE)
    assert f"Amount: {amount}. Read in one source only." in adviser_remarks(mode)


def adviser_remarks(mode):
    moment = brussels(date(2026, 12, 1), 10)
    need = Need(goal="try", kind="company", country="AT", months=1)
    return next(
        option.remarks for option in adviser.advise(DATA, statuses(moment), need, moment) if option.mode == mode
    )


def test_an_extension_of_3_months_in_ai_for_science_comes_from_one_source_of_august_2026():
    assert "It can be extended by up to 3 months. Read in one source only." in adviser_remarks("ai-for-science")


@pytest.mark.parametrize("mode", INDUSTRY)
def test_smes_pay_nothing_and_other_companies_per_use_2026_10_10(mode):
    assert price(mode, COMPANY, sme=True).price is Price.FREE
    assert price(mode, COMPANY, sme=False).price is Price.PAY_PER_USE
    unknown = price(mode, COMPANY)
    assert unknown.price is None
    assert (
        "Free of charge for SMEs and start-ups, pay per use for other companies. The SME test decides" in unknown.text
    )
    assert price(mode, COMPANY, sme=True).source.id == "access-faqs"


def test_science_is_free_by_one_source_of_2026_05_05():
    for kind in OrganisationKind:
        advice = price("ai-for-science", kind, conditions=FUNDED)
        assert (advice.price, advice.source.confidence) == (Price.FREE, Confidence.ONE_SOURCE)
    assert price("ai-for-science", COMPANY) is None, "closed without a funded project"


def test_a_price_that_nobody_states_is_not_known():
    mode = DATA.mode("playground").model_copy(update={"prices": ()})
    advice = price_for(DATA, mode, COMPANY, True, {})
    assert (advice.price, advice.text) == (None, "The price is not known. Ask the factory before you apply.")
    [for_smes, _] = DATA.mode("playground").prices
    advice = price_for(DATA, mode.model_copy(update={"prices": (for_smes,)}), COMPANY, False, {})
    assert (advice.price, advice.text) == (None, "The price is not known. Ask the factory before you apply.")


# -- countries and holidays -------------------------------------------------------------------------------------------


def test_switzerland_takes_part_since_2025_11_11():
    assert country_refusal(DATA, "CH") == ""
    assert "switzerland-officially-rejoins" in DATA.source("switzerland").url


def test_bosnia_and_herzegovina_takes_part_by_one_source_of_2026_11_29():
    assert country_refusal(DATA, "BA") == ""
    assert DATA.source("bosnia").confidence is Confidence.ONE_SOURCE


def test_whether_ukraine_takes_part_is_not_verified_on_2026_11_29():
    assert country_refusal(DATA, "UA") == (
        "It is not verified whether Ukraine takes part. Ask the factory before you apply."
    )
    assert "not in the programme's list" in country_refusal(DATA, "US")


@pytest.mark.parametrize("day", ["2027-03-25", "2027-05-07", "2027-06-23", "2027-11-02"])
def test_holidays_of_2027_follow_the_institutions_pattern_and_are_not_verified(day):
    assert date.fromisoformat(day) in DATA.holidays
    assert DATA.source(DATA.holidays_source).confidence is Confidence.NOT_VERIFIED


# -- AI Act -----------------------------------------------------------------------------------------------------------


def test_the_ai_act_is_cited_as_amended_on_2026_07_27():
    source, amendment = DATA.source(DATA.ai_act.source), DATA.source("ai-act-amendment")
    assert ("2026/1744" in source.title, source.as_of) == (True, date(2026, 7, 27))
    assert (amendment.url.endswith("OJ:L_202601744"), amendment.as_of) == (True, date(2026, 7, 24))


@pytest.mark.parametrize(
    ("day", "outcome", "summary", "consequence"),
    [
        (date(2026, 12, 1), "becomes prohibited", "prohibited from 2 December 2026", "Applies from 2 December 2026."),
        (date(2026, 12, 2), "prohibited", "describes a prohibited practice", "Applies since 2 December 2026."),
    ],
)
def test_intimate_imagery_without_consent_is_prohibited_from_2026_12_02(day, outcome, summary, consequence):
    result = self_check(day, intimate_imagery=True)
    [finding] = result.findings
    assert (result.outcome, result.checked_on) == (outcome, day)
    assert summary in result.summary
    assert finding.consequence.endswith(consequence)
    assert (finding.applies_from, finding.source.id) == (date(2026, 12, 2), "ai-act-amendment")


def test_a_practice_that_is_prohibited_already_outweighs_one_from_2026_12_02():
    result = self_check(date(2026, 12, 1), intimate_imagery=True, social_scoring=True)
    assert result.outcome == "prohibited"
    unanswered = aiact.check(DATA, Form(ai_act={"intimate-imagery": True}), date(2026, 12, 1))
    assert unanswered.outcome == "becomes prohibited", "strict before all questions are answered"


@pytest.mark.parametrize(
    ("question", "article", "applies_from", "outcome"),
    [
        ("manipulation", "5(1)(a)", "2025-02-02", "prohibited"),
        ("remote-identification", "5(1)(h)", "2025-02-02", "prohibited"),
        ("intimate-imagery", "5(1)", "2026-12-02", "prohibited"),
        ("annex-iii", "Annex III", "2027-12-02", "high-risk"),
        ("safety-component", "Annex I", "2028-08-02", "high-risk"),
        ("gpai", "53", "2025-08-02", "gpai"),
        ("talks-to-people", "50(1)", "2026-08-02", "transparency"),
        ("synthetic-content", "50(2)", "2026-08-02", "transparency"),
        ("emotion-or-category", "50(3)", "2026-08-02", "transparency"),
    ],
)
def test_each_rule_says_from_when_it_applies(question, article, applies_from, outcome):
    [entry] = [entry for entry in DATA.ai_act.questions if entry.id == question]
    assert (str(entry.applies_from), entry.outcome) == (applies_from, outcome)
    assert article in entry.article
    assert all(entry.applies_from for entry in DATA.ai_act.questions)


def test_transparency_of_older_systems_applies_from_2026_12_02_and_names_who_is_bound():
    texts = {entry.id: entry.consequence for entry in DATA.ai_act.questions}
    assert "before 2 August 2026 this applies from 2 December 2026" in texts["synthetic-content"]
    assert texts["talks-to-people"].startswith("Providers must")
    assert "Deployers must disclose deep fakes" in texts["synthetic-content"]
    assert texts["emotion-or-category"].startswith("Deployers must")


def test_machines_are_said_to_be_narrowed_in_july_2026():
    [entry] = [entry for entry in DATA.ai_act.questions if entry.id == "safety-component"]
    assert "narrowed this for machines: check" in entry.consequence


def test_literacy_is_supported_and_no_level_guaranteed_since_2026_07_27():
    assert "no level of it has to be guaranteed" in self_check(date(2026, 12, 2)).summary


def test_no_question_disappears_from_under_a_stored_answer():
    assert {question.id for question in DATA.ai_act.questions} >= EARLIER_QUESTIONS


def test_thresholds_of_general_purpose_models_of_july_2025():
    thresholds = {entry.operations: DATA.source(entry.source).confidence for entry in DATA.ai_act.compute_thresholds}
    assert thresholds == {1e23: Confidence.ONE_SOURCE, 1e25: Confidence.CONFIRMED}


@pytest.mark.parametrize(
    ("billion_tokens", "passed", "words"),
    [
        (1000, 0, "takes 4.2 × 10²² operations, not more than 10²³"),
        (3000, 1, "takes 1.26 × 10²³ operations, more than 10²³"),
        (300_000, 2, "takes 1.26 × 10²⁵ operations, more than 10²⁵"),
    ],
)
def test_the_calculator_compares_its_operations_with_the_thresholds(billion_tokens, passed, words):
    workload = Workload(parameters=7e9, tokens=billion_tokens * 1e9, gpus=8, system="atrium-gpu")
    calculation = calculator.calculate(DATA, workload)
    assert calculation.operations == 6 * 7e9 * billion_tokens * 1e9
    assert len(calculator.exceeded(DATA, workload)) == passed
    assert words in " ".join(calculation.remarks)
    inference = workload.model_copy(update={"task": "inference"})
    assert "operations" not in " ".join(calculator.calculate(DATA, inference).remarks)


def test_the_self_check_doubts_a_no_that_the_calculation_contradicts():
    workload = Workload(parameters=7e9, tokens=3e12, gpus=8, system="atrium-gpu")
    for answer, contradicted in ((False, True), (True, False)):
        form = Form(ai_act={"gpai": answer}, resources={"workload": workload.model_dump()})
        remarks = " ".join(aiact.check(DATA, form, date(2026, 12, 2)).remarks)
        assert ("Check that answer." in remarks) is contradicted
        assert "1.26 × 10²³" in remarks


# -- helpers and the calculator ---------------------------------------------------------------------------------------


def test_national_pages_of_2024_are_not_verified_and_none_is_about_something_else():
    assert DATA.source("national").confidence is Confidence.NOT_VERIFIED
    pages = {helper.url for helper in DATA.helpers}
    assert not pages & {"https://www.gov.si/", "https://digital.gob.es/", "https://www.info.gouv.fr/france-2030"}


def test_competence_centres_say_on_2026_11_29_that_eurocc_changes():
    [centre] = [helper for helper in DATA.helpers if helper.kind == "ncc"]
    assert "EuroCC 3 is being prepared" in centre.about
    assert DATA.source(centre.source).confidence is Confidence.ONE_SOURCE


def test_testing_facilities_are_funded_for_five_years_from_2023_01_01():
    assert "five years from 1 January 2023" in DATA.source("tef").title


def test_the_utilisation_is_set_by_the_factory_2026_11_29():
    assert (DATA.calculator.utilisation, DATA.calculator.utilisation_source) == (0.4, "site")


def test_small_mid_caps_of_2025_05_21_are_no_smes():
    ceiling = DATA.sme.ceilings[-1]
    assert (ceiling.staff_below, ceiling.turnover_up_to, ceiling.balance_up_to) == (750, 150_000_000, 129_000_000)
    assert (ceiling.sme, DATA.source(ceiling.source).as_of) == (False, date(2025, 5, 21))


# -- any applicant ----------------------------------------------------------------------------------------------------

HOURS = st.one_of(st.integers(0, 100_000), st.sampled_from([5000, 5001, 50_000, 50_001, 2_400_000, 2_400_001]))
NEEDS = st.builds(
    Need,
    goal=st.sampled_from(Goal),
    kind=st.sampled_from(OrganisationKind),
    sme=st.sampled_from([None, True, False]),
    conditions=st.sampled_from([{}, FUNDED, {"funded-project": False}]),
    country=st.sampled_from(["AT", "CH", "BA", "UA", "US"]),
    gpu_hours=HOURS,
    cpu_hours=HOURS,
    months=st.integers(1, 13),
    starts_within_days=st.one_of(st.none(), st.integers(0, 120)),
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 2, 1), timezones=st.just(UTC))
CLOSED = st.sets(st.sampled_from([call.slug for call in DATA.calls]))
LARGEST = {"playground": (0, 5000), "fast-lane": (0, 50_000), "large-scale": (50_001, 2_400_000)}
MONTHS = {"playground": 3, "fast-lane": 3, "large-scale": 12, "ai-for-science": 6}


def may_use(mode, need, closed):
    """By the published rules, written down a second time."""
    least, most = LARGEST.get(mode, (0, 10**9))
    open_to = need.kind == "company" and (mode in INDUSTRY or need.conditions == FUNDED)
    open_to |= need.kind != "company" and mode == "ai-for-science"
    in_size = least <= need.gpu_hours <= most and need.months <= MONTHS[mode]
    return open_to and in_size and need.country in ("AT", "CH", "BA") and f"{mode}-2026" not in closed


def expected_price(mode, need):
    if mode == "ai-for-science":
        return Price.FREE
    return {True: Price.FREE, False: Price.PAY_PER_USE, None: None}[need.sme]


@settings(max_examples=300, deadline=None)
@given(need=NEEDS, moment=MOMENTS, closed=CLOSED)
def test_no_applicant_is_sent_to_a_mode_that_is_closed_to_them_and_each_learns_the_price(need, moment, closed):
    advice = adviser.advise(DATA, statuses(moment, lambda slug: slug not in closed), need, moment)
    today = day_in(DATA.zone, moment)
    assert sum(option.recommended for option in advice) == any(option.fits for option in advice)
    for option in advice:
        if not option.fits:
            assert option.against
            assert not option.recommended
            continue
        assert may_use(option.mode, need, closed)
        assert (option.price.price, bool(option.price.text)) == (expected_price(option.mode, need), True)
        assert need.starts_within_days is None or (option.decision_by - today).days <= need.starts_within_days


@settings(max_examples=300, deadline=None)
@given(need=NEEDS, moment=MOMENTS)
def test_a_mode_that_nothing_speaks_against_fits(need, moment):
    need = need.model_copy(update={"starts_within_days": None})
    for option in adviser.advise(DATA, statuses(moment), need, moment):
        assert option.fits is may_use(option.mode, need, set())


# -- mistakes in a copy of the programme ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("decision_months = 1\n", "", "decision_working_days or decision_months"),
        ("decision_months = 1\n", "decision_months = 1\ndecision_working_days = 9\n", "or decision_months"),
        ('kinds = ["university", "research", "public", "company"]', 'kinds = ["university"]', "which it names"),
        ('sme = false\nprice = "pay per use"', 'price = "pay per use"', "two prices"),
        ("gpu_hours_up_to = 2400000\n", "", "differs from gpu_hours_up_to"),
        ('holidays_source = "holidays"', 'holidays_source = "nowhere"', "nowhere is named"),
        ('source = "bosnia"', 'source = "nowhere"', "nowhere is named"),
        ('confidence = "one source"', 'confidence = "hearsay"', "confidence"),
    ],
)
def test_contradictions_are_named(tmp_path, old, new, problem):
    assert old in SHIPPED
    copy = tmp_path / "programme.toml"
    copy.write_text(SHIPPED.replace(old, new))
    with pytest.raises(SettingsError, match=problem):
        programme.read(copy)


def test_a_copy_of_the_earlier_programme_is_still_read(tmp_path):
    """An upgrade must not stop a site that has a copy without prices, conditions and dates of rules."""
    lines = SHIPPED.splitlines()
    sections = "\n".join(lines).split("\n[[")
    dropped = ("modes.amounts", "modes.prices", "modes.conditions", "modes.remarks", "ai_act.compute_thresholds")
    remaining = [section for section in sections if not section.startswith(dropped)]
    names = ("applies_from", "confidence", "holidays_source", "utilisation_source", "sme = false", "remark")
    text = "\n".join(line for line in "\n[[".join(remaining).splitlines() if not line.startswith(names))
    copy = tmp_path / "programme.toml"
    copy.write_text(text.replace("decision_months = 1", "decision_working_days = 10"))
    data = programme.read(copy)
    assert price_for(data, data.mode("playground"), COMPANY, True, {}).price is None
    assert self_check_of(data).outcome == "prohibited"


def self_check_of(data):
    return aiact.check(data, Form(ai_act={"manipulation": True}), date(2026, 12, 2))
