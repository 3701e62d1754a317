"""The projects page without a browser."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from hub.errors import Conflict, InvalidInput, NotFound
from hub.projects.models import Extension, ExtensionForm, Invitation, MemberRole, MemberView, ProjectView
from hub.reports.models import Report, ReportDraft, ReportForm
from hub.usage.models import Day, Hours, ProjectUsage, Used
from tests.widgets.factory import MOMENT, Factory, FakeProjects, project
from widgets.base import Phase, Visitor
from widgets.projects.state import Part
from widgets.projects.view import Projects

HOSTILE = '"><script>alert(1)</script>'
TODAY = date(2026, 11, 24)


def usage(**more: Any) -> ProjectUsage:
    values: dict[str, Any] = {
        "slug": "steel-1",
        "title": "Green steel",
        "cpu": Hours(granted=100, used=40, left=60),
        "gpu": Hours(granted=0, used=0, left=0),
        "starts": date(2026, 11, 1),
        "until": date(2027, 1, 31),
        "as_of": MOMENT,
        "people": (Used(name=HOSTILE, cpu=40, gpu=0),),
        "partitions": (Used(name="batch", cpu=40, gpu=0),),
        "days": (Day(day=date(2026, 11, 10), cpu=10, gpu=0), Day(day=date(2026, 11, 20), cpu=25, gpu=0)),
        "cpu_runs_out": date(2026, 12, 20),
        "gpu_runs_out": None,
    }
    return ProjectUsage.model_validate({**values, **more})


class InsideProjects(FakeProjects):
    def __init__(self, inside: Inside) -> None:
        super().__init__(inside)
        self.inside = inside

    def invitations(self, slug: str) -> tuple[Invitation, ...]:
        return tuple(self.inside.invited)

    def invite(self, slug: str, address: str, role: MemberRole = MemberRole.MEMBER) -> Invitation:
        if "@" not in address:
            raise InvalidInput("This is no mail address.", field="address")
        self.inside.invited.append(
            Invitation(id=1, address=address, role=role, by="maria", created=MOMENT, expires=MOMENT, accepted_by=None)
        )
        return self.inside.invited[-1]

    def remove_member(self, slug: str, person: str) -> None:
        remaining = tuple(member for member in self.inside.owned[0].members if member.person != person)
        self.inside.owned = (self.inside.owned[0].model_copy(update={"members": remaining}), *self.inside.owned[1:])

    def change_role(self, slug: str, person: str, role: MemberRole) -> ProjectView:
        raise Conflict("A project keeps at least one lead.", hint="Make somebody else a lead first.")

    def extensions(self, slug: str) -> tuple[Extension, ...]:
        return ()

    def ask_for_extension(self, slug: str, form: ExtensionForm) -> Extension:
        self.inside.extension_forms.append(form)
        raise NotFound("gone")


class Inside(Factory):
    def __init__(self, role: MemberRole = MemberRole.LEAD) -> None:
        super().__init__()
        members = tuple(MemberView(person=name, role=role, leaving=False) for name in ("maria", "jan"))
        self.owned = (project(role=role, members=members, title=HOSTILE), project("glass-2", role=role))
        self.invited: list[Invitation] = []
        self.extension_forms: list[ExtensionForm] = []
        self.projects = InsideProjects(self)
        self.written = Report(project="steel-1", revision=1, form=ReportForm(), usage=usage(), submitted=None)

    def usage(self, slug: str) -> ProjectUsage:
        return usage(slug=slug)

    def report(self, slug: str) -> Report:
        return self.written.model_copy(update={"project": slug})

    def write_report(self, slug: str, draft: ReportDraft) -> Report:
        if draft.revision != self.written.revision:
            raise Conflict("Another lead wrote in it.", field="revision")
        self.written = self.written.model_copy(
            update={
                "form": draft.form,
                "revision": draft.revision + 1,
                "submitted": MOMENT if draft.submit else None,
            }
        )
        return self.written


async def settled(view: Projects) -> None:
    for _ in range(200):
        await asyncio.sleep(0.01)
        if view.state.phase is not Phase.LOADING and not view.state.busy:
            return
    raise AssertionError("the view did not settle")


async def shown(inside: Factory, place: str = "") -> Projects:
    view = Projects(person=Visitor(api=inside))
    if place:
        view.go(place)  # before anything is known, as the page's script does
    await settled(view)
    await settled(view)
    return view


def everything(widget: Any) -> str:
    own = str(widget.value) if type(widget).__name__ == "HTML" else ""
    return own + "".join(everything(child) for child in getattr(widget, "children", ()))


async def test_a_link_leads_to_a_part_of_a_project_even_when_it_is_early() -> None:
    view = await shown(Inside(), "project/glass-2/members")

    assert (view.state.slug, view.state.part) == ("glass-2", Part.MEMBERS)


async def test_a_project_of_others_cannot_be_opened() -> None:
    view = await shown(Inside())
    view.go("project/theirs-3/usage")
    await settled(view)

    assert view.state.slug == "steel-1"
    assert "You are not a member of this project." in everything(view)


async def test_without_a_project_the_page_says_how_to_get_one() -> None:
    view = await shown(Factory())

    assert "Apply for hours" in view.text.value


@pytest.mark.parametrize("part", list(Part))
async def test_user_input_is_escaped(part: Part) -> None:
    assert "<script" not in everything(await shown(Inside(), f"project/steel-1/{part}"))


async def test_a_lead_invites_and_an_invalid_address_is_reported() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]
    for address in ("nobody", "jan@example.org"):
        members.address.value = address
        view.do("Inviting", members._invite)
        await settled(view)
        if address == "nobody":
            assert members.address.complaint == "This is no mail address."

    assert [invitation.address for invitation in inside.invited] == ["jan@example.org"]
    assert "Invitation sent to jan@example.org" in everything(view)


async def test_removing_asks_for_the_name() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]
    members.person.value = "jan"
    view.do("Removing", members._remove)
    await settled(view)
    assert len(inside.owned[0].members) == 2
    assert members.sure.complaint

    members.sure.value = "jan"
    view.do("Removing", members._remove)
    await settled(view)

    assert [member.person for member in inside.owned[0].members] == ["maria"]


async def test_members_who_lead_nothing_see_no_forms() -> None:
    view = await shown(Inside(MemberRole.MEMBER), "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]

    assert members.inviting.layout.display == members.changing.layout.display == "none"


async def test_an_extension_needs_a_reason_and_something_to_ask_for() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/extension")
    part: Any = view._parts[Part.EXTENSION]
    view.do("Asking", part._ask)
    await settled(view)

    assert list(view.state.problems) == ["reason"]
    part.reason.value = "It takes longer."
    view.do("Asking", part._ask)
    await settled(view)
    assert view.state.problems == {"months": "Ask for months or hours."}
    assert inside.extension_forms == []


async def test_a_report_is_saved_and_submitted_only_after_confirmation() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/report")
    part: Any = view._parts[Part.REPORT]
    part.summary.value = "It works."
    view.do("Submitting", lambda api: part._write(api, submit=True))
    await settled(view)
    assert inside.written.submitted is None

    part.sure.value = True
    view.do("Submitting", lambda api: part._write(api, submit=True))
    await settled(view)

    assert inside.written.form.summary == "It works."
    assert part.form.layout.display == "none"


async def test_a_person_who_is_gone_is_not_exchanged_for_another() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]
    assert members.person.value is None, "nobody is chosen by position"
    members.person.value = "jan"
    members.sure.value = "jan"
    view.do("Removing", members._remove)
    await settled(view)
    assert members.person.value is None
    members.sure.value = "maria"
    view.do("Removing", members._remove)
    await settled(view)
    assert [member.person for member in inside.owned[0].members] == ["maria"]
    assert members.person.complaint == "Choose the person to remove."


async def test_an_invitation_that_is_gone_is_not_exchanged_for_another() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]
    entries = [("a@example.eu", 1), ("b@example.eu", 2)]
    members.invitation.offer(entries)
    members.invitation.value = 2
    members.invitation.offer(entries[:1])
    assert members.invitation.value is None
    view.do("Withdrawing", members._take_back)
    await settled(view)
    assert members.invitation.complaint == "Choose the invitation to withdraw."


async def test_a_project_that_is_gone_is_not_exchanged_for_another() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/members")
    members: Any = view._parts[Part.MEMBERS]
    members.person.value = members.sure.value = "jan"

    def leave(slug: str, person: str) -> None:
        assert slug == "steel-1"
        inside.owned = inside.owned[1:]

    inside.projects.remove_member = leave  # type: ignore[method-assign]
    view.do("Removing", members._remove)
    await settled(view)
    assert view.state.project is None
    assert view.place.layout.display == "none"
    assert "Choose a project" in everything(view)
    view.reload()
    await asyncio.sleep(0)
    await settled(view)
    assert view.state.project is None, "also after a reload"
    view.go("project/glass-2/members")
    await settled(view)
    assert view.place.layout.display == ""


async def test_a_part_is_empty_until_the_next_project_s_data_are_there() -> None:
    inside = Inside()
    view = await shown(inside, "project/steel-1/usage")
    assert view.state.usage is not None
    seen: list[Any] = []

    def late(slug: str) -> ProjectUsage:
        seen.append(view.state.usage)
        return usage(slug=slug)

    inside.usage = late  # type: ignore[method-assign]
    view.go("project/glass-2/usage")
    await settled(view)
    assert seen == [None]
    assert view.state.usage.slug == "glass-2"
