"""One draft in two tabs: the second is told as another device is, and a first save in both makes one draft."""

from __future__ import annotations

from typing import Any

import pytest

from hub.applications.models import Application
from hub.calls.models import OrganisationKind
from hub.organisations.models import OrganisationForm, ProfileForm
from tests.widgets.factory import COMPANY, Factory
from tests.widgets.test_onboarding import GOOD, everything, form_of, settled, shown, started
from widgets.onboarding.state import OnboardingState, Step

AGENCY = OrganisationForm(name="Agency", kind=OrganisationKind.PUBLIC, country="DE")


@pytest.fixture
def factory() -> Factory:
    return Factory()


def draft_of(state: OnboardingState) -> Application:
    assert state.application is not None
    return state.application


async def test_a_first_save_in_two_tabs_makes_one_draft_and_the_second_is_told(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    assert await first.act("Saving", first.keep(factory, {"title": "First"}))
    assert not await second.act("Saving", second.keep(factory, {"use_case": "Second"}))

    assert list(factory.saved) == [1]
    assert second.trouble is not None
    assert "in another tab" in second.trouble.message
    assert not await second.act("Saving", second.keep(factory, {"use_case": "Second"}))  # not before a choice
    assert await second.act("Saving", second.keep_mine(factory))
    assert (factory.saved[1].form.title, factory.saved[1].form.use_case) == ("First", "Second")
    assert list(factory.saved) == [1]


async def test_the_second_tab_may_take_the_draft_of_the_first(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    await first.keep(factory, {"title": "First"})
    await second.act("Saving", second.keep(factory, {"title": "Second"}))
    second.take_theirs()

    assert draft_of(second).form.title == "First"


async def test_another_application_can_be_begun_although_there_is_a_draft(factory: Factory) -> None:
    state = await started(factory)
    await state.keep(factory, {"title": "First"})
    state.start_another()
    await state.keep(factory, {"title": "Another"})

    assert [saved.form.title for saved in factory.saved.values()] == ["First", "Another"]


async def test_a_save_without_a_change_shows_what_another_tab_has_saved(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    await first.keep(factory, {"title": "First"})
    await second.load(factory)
    await first.keep(factory, {"title": "Newer"})
    filled = second.filled
    await second.keep(factory, {})

    assert (draft_of(second).form.title, second.filled) == ("Newer", filled + 1)


async def test_a_profile_that_was_changed_in_another_tab_is_not_overwritten_silently(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    await first.write_profile(factory, ProfileForm(full_name="First"))
    assert not await second.act("Saving", second.write_profile(factory, ProfileForm(full_name="Second")))

    assert factory.profile_form.full_name == "First"
    assert await second.act("Saving", second.write_profile(factory, ProfileForm(full_name="Second")))
    assert factory.profile_form.full_name == "Second"


async def test_an_organisation_that_was_begun_in_another_tab_is_not_made_twice(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    await first.write_organisation(factory, AGENCY)
    renamed = AGENCY.model_copy(update={"name": "Other"})
    assert not await second.act("Saving", second.write_organisation(factory, renamed))

    assert factory.own is not None
    assert factory.own.form.name == "Agency"
    assert await second.act("Saving", second.write_organisation(factory, renamed))
    assert factory.own.revision == 2


async def test_a_draft_is_deleted_after_it_was_confirmed(factory: Factory) -> None:
    view = await shown(factory)
    await view.state.keep(factory, {"title": "Green steel"})
    stored = view.state.stored
    view._ask_before_deleting()
    assert "Green steel will be deleted" in view._confirmation.text.value
    assert list(factory.saved) == [1]
    view._confirmation.confirm.click()
    await settled(view)

    assert factory.saved == {}
    assert view.state.application is None
    assert view.state.stored == stored + 1  # the browser may forget what was typed
    assert "The draft A-00001 was deleted." in everything(view)


async def test_a_draft_that_another_tab_deleted_can_be_saved_as_a_new_one(factory: Factory) -> None:
    first, second = await started(factory), await started(factory)
    await first.keep(factory, {"title": "Green steel"})
    await second.load(factory)
    await first.delete(factory, draft_of(first).summary)
    assert not await second.act("Saving", second.keep(factory, {"title": "Still here"}))

    assert second.trouble is not None
    assert "deleted" in second.trouble.message
    assert await second.act("Saving", second.keep(factory, {"title": "Still here"}))
    assert [saved.form.title for saved in factory.saved.values()] == ["Still here"]


async def test_a_submitted_application_offers_no_deletion(factory: Factory) -> None:
    view = await shown(factory)
    factory.organisations.create(COMPANY)
    factory.profile_form = ProfileForm(full_name="Maria")
    await view.state.keep(factory, GOOD)
    await view.state.submit(factory)
    factory.asks_back(1, "More?")
    summary = factory.saved[1].summary.model_copy(update={"deletable": False})
    factory.saved[1] = factory.saved[1].model_copy(update={"summary": summary})
    await view.state.look(factory)

    assert view.state.editable
    assert "Delete this draft" not in everything(view.more)


# -- what is said of it -----------------------------------------------------------------------------------------------


async def test_saved_stands_beside_the_buttons_that_save(factory: Factory) -> None:
    view = await shown(factory)
    assert "✓ Saved" not in everything(view)
    view._save.click()
    await settled(view)

    [_, beside] = view._steer.children
    assert "✓ Saved" in beside.value
    assert "Not saved yet." in beside.value  # shown by the page's script while somebody types
    assert "✓ Saved" not in view.text.value + view.activity.value


async def test_an_error_stands_beside_the_button_that_was_pressed(factory: Factory) -> None:
    view = await shown(factory)
    form_of(view).orcid.value = "nonsense"
    view._save.click()
    await settled(view)

    assert "Some fields have errors." in view._steer.children[0].outcome.value
    assert view.activity.value == ""


async def test_each_form_is_named_for_what_the_browser_keeps(factory: Factory) -> None:
    view = await shown(factory)
    mark = form_of(view).mark.value
    assert 'data-typed-form="onboarding new people"' in mark
    assert "data-whole" in mark
    view._next(1)
    await settled(view)

    mark = form_of(view).mark.value
    assert 'data-typed-form="onboarding 1 purpose"' in mark
    assert 'data-stored="1"' in mark
    assert 'data-place="application/1/purpose"' in mark


async def test_a_link_opens_an_application_at_a_step(factory: Factory) -> None:
    view = await shown(factory)
    await view.state.keep(factory, {"title": "Green steel"})
    view.state.start_another()
    view.go("application/1/resources")
    await settled(view)

    assert (draft_of(view.state).summary.id, view.state.step) == (1, Step.RESOURCES)
    view.go("new/purpose")
    assert (view.state.application, view.state.step) == (None, Step.PURPOSE)


# -- steps, and what is missing ---------------------------------------------------------------------------------------


async def test_a_step_is_ticked_when_it_holds_what_it_needs_and_not_before(factory: Factory) -> None:
    state = await started(factory)
    assert not any(state.is_done(step) for step in Step if step is not Step.SUBMIT)
    await state.keep(factory, {})
    assert not any(state.is_done(step) for step in Step if step is not Step.SUBMIT)
    factory.organisations.create(COMPANY)
    await state.write_profile(factory, ProfileForm(full_name="Maria"))
    await state.keep(factory, {})  # nothing of the application itself has changed

    assert [step for step in Step if step is not Step.SUBMIT and state.is_done(step)] == [Step.PEOPLE]


async def test_nothing_is_missing_is_the_api_s_check_of_now(factory: Factory) -> None:
    factory.organisations.create(COMPANY)
    factory.profile_form = ProfileForm(full_name="Maria")
    view = await shown(factory)
    await view.state.keep(factory, GOOD, go_to=Step.SUBMIT)
    assert "Nothing is missing." in everything(view)
    factory.own = None  # left in another tab
    await view.state.keep(factory, {}, go_to=Step.SUBMIT)

    assert "Nothing is missing." not in everything(view)
    assert view.state.complaints["organisation.name"] == "Enter the organisation that you apply for."


async def test_every_gap_is_shown_at_a_field_of_its_step(factory: Factory) -> None:
    """But for a prohibited practice, which is the sum of answers and stands in the list of what is left to do."""
    from widgets.onboarding.form import fields_of
    from widgets.onboarding.view import FORMS

    state = await started(factory)
    company = OrganisationForm(name="Steel", kind=OrganisationKind.COMPANY, country="US")
    for organisation in (None, company):
        factory.own = None
        if organisation is not None:
            factory.organisations.create(organisation)
        factory.profile_form = ProfileForm(orcid="0000-0002-1825-0098")
        await state.keep(factory, {"resources": {"gpu_hours": 1}}, go_to=Step.SUBMIT)
        view: Any = await shown(factory)
        names = {field.name for form in FORMS.values() for field in fields_of(form(view, view.state))}
        assert set(state.complaints) <= names


@pytest.mark.parametrize(("orcid", "is_wrong"), [("0000-0002-1825-0097", False), ("0000-0002-1825-0098", True)])
async def test_an_orcid_with_a_wrong_check_digit_is_said_at_its_field(
    factory: Factory, orcid: str, is_wrong: bool
) -> None:
    view = await shown(factory)
    people = form_of(view)
    people.full_name.value, people.orcid.value = "Maria", orcid
    view._next(0)
    await settled(view)

    assert bool(people.orcid.complaint) is is_wrong
    assert (factory.profile_form.orcid == orcid) is not is_wrong


async def test_an_organisation_without_a_name_is_said_and_not_dropped(factory: Factory) -> None:
    view = await shown(factory)
    people = form_of(view)
    people.full_name.value, people.country.value = "Maria", "DE"
    view._next(0)
    await settled(view)

    assert people.name.complaint
    assert people.kind.complaint
