"""Sources and publications are in the audit trail, with who and what."""

import pytest

from hub.audit import service as audit
from hub.dataspace.sources import service as sources
from hub.dataspace.sources.models import SourceForm
from hub.errors import Conflict
from tests.hub.dataspace.test_routes import FORM, SOURCE


def events(session, on):
    """Oldest first."""
    return [(event.who, event.what) for event in reversed(audit.events(session, on=on))]


def test_sources_that_admins_add_change_harvest_and_remove(person, session):
    boss = person("boss", groups=["admins"]).dataspace
    form = SourceForm(**SOURCE)
    boss.put_source(form)
    boss.put_source(form)
    boss.put_source(form.model_copy(update={"title": "Renamed"}))
    boss.run_source(form.name)
    boss.remove_source(form.name)

    assert events(session, f"source/{form.name}") == [
        ("boss", "source added"),
        ("boss", "source changed"),
        ("boss", "harvest requested"),
        ("boss", "source removed"),
    ]
    changed = audit.events(session, on=f"source/{form.name}")[2]
    assert (changed.before["title"], changed.after["title"]) == (form.title, "Renamed")


def test_sources_of_the_settings_are_logged_once(session):
    form = SourceForm(**SOURCE)
    for _ in range(2):
        sources.follow_settings(session, [form])
    sources.follow_settings(session, [])

    assert events(session, f"source/{form.name}") == [("worker", "source added"), ("worker", "source removed")]


async def test_publications(person, project, session, site):
    founder = person("founder").dataspace
    publication = founder.publish(FORM)
    founder.change_publication(publication.slug, FORM.model_copy(update={"title": "Renamed data"}))
    founder.withdraw(publication.slug)

    on = f"publication/{publication.slug}"
    assert events(session, on) == [
        ("founder", "published"),
        ("founder", "publication changed"),
        ("founder", "publication withdrawn"),
    ]
    changed = audit.events(session, on=on)[1]
    assert (changed.before["title"], changed.after["title"]) == (FORM.title, "Renamed data")
    assert changed.after["project"] == FORM.project


async def test_of_two_changes_of_one_reading_the_second_is_refused(person, project, session, site):
    founder, colleague = person("founder").dataspace, person("founder").dataspace
    publication = founder.publish(FORM)
    theirs, mine = (FORM.model_copy(update={"title": title}) for title in ("Theirs", "Mine"))
    colleague.change_publication(publication.slug, theirs, seen=publication.modified)
    with pytest.raises(Conflict) as refused:
        founder.change_publication(publication.slug, mine, seen=publication.modified)
    assert refused.value.field == "seen"
    [stored] = founder.publications()
    assert stored.form.title == "Theirs"
    assert founder.change_publication(publication.slug, FORM, seen=stored.modified).form.title == FORM.title
