"""Step 1: the applicant, their organisation, and its SME status."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.calls.models import KIND_WORDS, Confidence, CountryName, OrganisationKind, Source
from hub.client import Api
from hub.organisations.models import (
    Figures,
    Organisation,
    OrganisationForm,
    ProfileForm,
    ProfileInput,
    Relation,
    Relative,
    SmeResult,
)
from widgets.base import ask, notice
from widgets.fields import adding, button, buttons, checked, choice, fieldset, line, number, row, whole
from widgets.onboarding.form import StepForm, cited, items, show
from widgets.onboarding.state import Step

KINDS = tuple((words, kind) for kind, words in KIND_WORDS.items())
RELATIONS = (("Partner: 25% to 50%", Relation.PARTNER), ("Linked: more than 50%", Relation.LINKED))
MOST_RELATIVES = 50


class RelativeRow(VBox):
    """A partner or linked enterprise whose figures count."""

    def __init__(self, place: int, remove: Any) -> None:
        at = f"organisation.figures.relatives.{place}."
        self.name = line(f"{at}name", "Name of the enterprise")
        self.relation = choice(f"{at}relation", "Relation", RELATIONS, first=None)
        self.share = number(f"{at}share", "Share held (%)")
        self.staff = number(f"{at}staff", "Staff of the enterprise")
        self.turnover = whole(f"{at}turnover", "Turnover of the enterprise (€ per year)")
        self.balance = whole(f"{at}balance", "Balance sheet of the enterprise (€)")
        drop = button("Remove this enterprise", lambda: remove(self))
        super().__init__(
            [
                row(self.name, self.relation, self.share),
                row(self.staff, self.turnover, self.balance),
                buttons(drop),
            ],
            _dom_classes=("repeated",),
        )

    def read(self) -> dict[str, Any]:
        return {
            "name": self.name.value,
            "relation": self.relation.value,
            "share": self.share.value,
            "staff": self.staff.value,
            "turnover": self.turnover.value,
            "balance": self.balance.value,
        }

    def fill(self, relative: Relative) -> None:
        self.name.value = relative.name
        self.relation.value = relative.relation
        self.share.value, self.staff.value = relative.share, relative.staff
        self.turnover.value, self.balance.value = relative.turnover, relative.balance


class People(StepForm):
    step = Step.PEOPLE

    def build(self) -> list[Any]:
        self.full_name = line("profile.full_name", "Your full name")
        self.position = line("profile.position", "Position (optional)")
        self.contact = line(
            "profile.contact", "Mail address (optional)", "Reviewers see it, and mail of this site goes to it."
        )
        self.orcid = line("profile.orcid", "ORCID (optional)", "For example 0000-0002-1825-0097.")
        profile = fieldset("About you", row(self.full_name, self.position), row(self.contact, self.orcid))
        self.founding = VBox(self._organisation_fields())
        self.joining = self._joining()
        self.members = HTML()
        self.code = buttons(
            button("Create a new code", self.do("Creating a new code", self._renew), hint="The old code stops working"),
            button("Leave this organisation", self.do("Leaving", self._leave), "danger"),
        )
        return [profile, self.joining, self.founding, self.members, self.code]

    def _organisation_fields(self) -> list[Any]:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - steps are made when the page is ready
        countries = [(self._label(country), country.code) for country in programme.countries]
        self.name = line("organisation.name", "Name of the organisation")
        self.kind = choice("organisation.kind", "Kind", KINDS)
        self.country = choice("organisation.country", "Country", sorted(countries))
        self.registration = line("organisation.registration", "Registration or VAT number (optional)")
        self.website = line("organisation.website", "Website (optional)", "For example https://example.org.")
        self.country_note = HTML()
        self.kind.control.observe(lambda _: self.draw(), "value")
        self.country.control.observe(lambda _: self.draw(), "value")
        self.staff = number("organisation.figures.staff", "Staff", "Annual work units (full-time equivalents).")
        self.turnover = whole("organisation.figures.turnover", "Turnover (€ per year)")
        self.balance = whole("organisation.figures.balance", "Balance sheet (€)")
        self.public = number("organisation.figures.public_share", "Public share (%)", "Held by public bodies.")
        self.relatives = VBox()
        self.result = HTML()
        self.figures = fieldset(
            "Size of the company",
            row(self.staff, self.turnover, self.balance, self.public),
            self.relatives,
            buttons(
                adding("Add a partner or linked enterprise", self._add),
                button("Check whether it is an SME", self.do("Checking the size", self._test)),
            ),
            self.result,
            about="Figures of the last closed financial year: they decide whether it is an SME (small or medium-sized "
            "enterprise). Include companies that own 25% or more of yours, or that yours owns.",
        )
        return [
            fieldset(
                "Your organisation",
                row(self.name, self.kind, self.country),
                self.country_note,
                row(self.registration, self.website),
            ),
            self.figures,
        ]

    def _label(self, country: CountryName) -> str:
        if country.eligible:
            return country.name
        source = self.state.source(country.source or "")
        unknown = source is not None and source.confidence is Confidence.NOT_VERIFIED
        return f"{country.name} ({'access not verified' if unknown else 'no access'})"

    def _country_source(self) -> Source | None:
        countries = self.state.programme.countries if self.state.programme else ()
        country = next((country for country in countries if country.code == self.country.value), None)
        return self.state.source(country.source) if country and country.source else None

    def _joining(self) -> VBox:
        self.join_code = line("code", "Code of the organisation", "Colleagues find the code on this page.")
        self.join_code.add_class("unkept")
        return fieldset(
            "Is your organisation already registered?",
            row(self.join_code),
            buttons(button("Join their organisation", self.do("Joining", self._join))),
            about="If so, enter its code. Otherwise add its details below.",
        )

    def _add(self) -> None:
        if len(self.relatives.children) < MOST_RELATIVES:
            self.relatives.children = (
                *self.relatives.children,
                RelativeRow(len(self.relatives.children), self._remove),
            )

    def _remove(self, removed_row: RelativeRow) -> None:
        rows = [child.read() for child in self.relatives.children if child is not removed_row]
        self.relatives.children = ()
        for values in rows:
            self._add()
            self.relatives.children[-1].fill(Relative.model_construct(**values))

    # -- actions of buttons

    async def _test(self, api: Api) -> None:
        result = await ask(api.organisations.sme_test, self._figures())
        show(self.result, sme_result(result))

    async def _join(self, api: Api) -> None:
        await ask(api.organisations.join, self.join_code.value.strip())
        await self._again(api)

    async def _renew(self, api: Api) -> None:
        await ask(api.organisations.renew_code)
        await self._again(api)

    async def _leave(self, api: Api) -> None:
        await ask(api.organisations.leave)
        await self._again(api)

    async def _again(self, api: Api) -> None:
        self.state.profile = await ask(api.organisations.profile)
        self.fill()

    # -- fields and state

    def fill(self) -> None:
        profile = self.state.profile.form if self.state.profile else ProfileForm()
        suggested = self.state.me.display_name if self.state.me else ""
        self.full_name.value = profile.full_name or suggested
        self.position.value, self.orcid.value = profile.position, profile.orcid
        self.contact.value = profile.contact or ""
        organisation = self.state.organisation
        if organisation is not None:
            self._fill_organisation(organisation)
        self.draw()

    def _fill_organisation(self, organisation: Organisation) -> None:
        form = organisation.form
        self.name.value, self.registration.value, self.website.value = form.name, form.registration, form.website
        self.kind.value = form.kind
        self.country.value = form.country
        figures = form.figures or Figures(staff=0, turnover=0, balance=0)
        self.staff.value, self.turnover.value, self.balance.value = figures.staff, figures.turnover, figures.balance
        self.public.value = figures.public_share
        self.relatives.children = ()
        for relative in figures.relatives:
            self._add()
            self.relatives.children[-1].fill(relative)
        show(self.result, sme_result(organisation.sme) if organisation.sme else "")

    def _figures(self) -> Figures:
        relatives = [child.read() for child in self.relatives.children]
        values = {
            "staff": self.staff.value,
            "turnover": self.turnover.value,
            "balance": self.balance.value,
            "public_share": self.public.value,
            "relatives": relatives,
        }
        return checked(Figures, values, "organisation.figures.")

    def _form(self) -> OrganisationForm:
        company = self.kind.value is OrganisationKind.COMPANY
        has_figures = any(field.value for field in (self.staff, self.turnover, self.balance))
        values = {
            "name": self.name.value,
            "kind": self.kind.value,
            "country": self.country.value,
            "registration": self.registration.value,
            "website": self.website.value.strip(),
            "figures": self._figures() if company and has_figures else None,
        }
        return checked(OrganisationForm, values, "organisation.")

    async def keep(self, api: Api, go_to: Step) -> None:
        """Save profile and organisation, which belong to the person, before the application."""
        values = {
            "full_name": self.full_name.value,
            "position": self.position.value,
            "contact": self.contact.value.strip() or None,
            "orcid": self.orcid.value.strip(),
        }
        profile = ProfileForm.model_validate(checked(ProfileInput, values, "profile.").model_dump())
        form = self._form() if self.state.organisation or self._is_described() else None
        await self.state.write_profile(api, profile)
        if form is not None:
            await self.state.write_organisation(api, form)
            sme = self.state.organisation.sme if self.state.organisation else None
            show(self.result, sme_result(sme) if sme else "")
        await self.state.keep(api, {}, go_to=go_to)

    def _is_described(self) -> bool:
        """Whether anything is entered about an organisation: it is stored, or said what is wrong with it."""
        texts = (self.name, self.registration, self.website)
        numbers = (self.staff, self.turnover, self.balance, self.public)
        chosen = self.kind.value is not None or self.country.value is not None
        typed = any(field.value.strip() for field in texts) or any(field.value for field in numbers)
        return chosen or typed or bool(self.relatives.children)

    def draw(self) -> None:
        super().draw()
        organisation, source = self.state.organisation, self._country_source()
        self.joining.layout.display = "none" if organisation else ""
        self.figures.layout.display = "" if self.kind.value is OrganisationKind.COMPANY else "none"
        self.code.layout.display = "" if organisation else "none"
        show(self.country_note, Markup('<p class="quiet">{}</p>').format(cited(source)) if source else "")
        show(self.members, _members(organisation) if organisation else "")


def sme_result(result: SmeResult) -> Markup:
    """The SME category, with reasons."""
    verdict = f"It is a {result.title}, and an SME." if result.is_sme else f"It is a {result.title}, and no SME."
    return (
        notice("ok" if result.is_sme else "info", verdict)
        + items(result.reasons)
        + Markup('<p class="quiet">{}</p>').format(cited(result.source))
    )


def _members(organisation: Organisation) -> Markup:
    return Markup(
        '<section class="card"><h3>People of {}</h3><p>{}</p>'
        "<p>Colleagues join with the code <code>{}</code>. Share it with colleagues only: whoever has it sees what "
        "your organisation submits.</p></section>"
    ).format(organisation.form.name, ", ".join(organisation.people), organisation.join_code)
