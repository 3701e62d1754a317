"""The final report: figures from accounting, words from leads."""

import pytest

from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.projects.models import ProjectSpec
from hub.reports.models import ReportDraft, ReportForm
from hub.usage import service as usage
from tests.hub.fakes import provision


@pytest.fixture
async def lead(session, slurm, person):
    members = {"founder": "lead", "colleague": "member"}
    await provision(
        session, slurm, ProjectSpec(slug="demo", title="Demo", account="demo", cpu_hours=100, members=members)
    )
    slurm.used["demo"] = (600, 0)
    await usage.refresh(session, slurm)
    return person("founder")


def draft(revision, *, submit=False, **words):
    return ReportDraft(revision=revision, form=ReportForm(**words), submit=submit)


def test_accounting_drafts_it(lead):
    report = lead.report("demo")
    assert (report.revision, report.submitted) == (0, None)
    assert "of 100 core hours 10," in report.form.summary


async def test_written_submitted_and_then_as_it_is(lead, person, session, slurm):
    first = lead.write_report("demo", draft(0, summary="S", results=""))
    with pytest.raises(Conflict):
        lead.write_report("demo", draft(0, results="from another device"))
    with pytest.raises(InvalidInput) as refused:
        lead.write_report("demo", draft(first.revision, submit=True))
    assert refused.value.field == "form.results"
    done = lead.write_report("demo", draft(first.revision, results="It works.", submit=True))
    assert done.submitted
    slurm.used["demo"] = (1200, 0)
    await usage.refresh(session, slurm)
    assert person("colleague").report("demo").usage.cpu.used == 10, "as it stood on the day"
    with pytest.raises(Conflict):
        lead.write_report("demo", draft(done.revision, results="Later"))


def test_members_read_and_strangers_do_not(lead, person):
    assert person("colleague").report("demo").project == "demo"
    with pytest.raises(NotAllowed):
        person("colleague").write_report("demo", draft(0, results="x"))
    with pytest.raises(NotFound):
        person("trainer").report("demo")
