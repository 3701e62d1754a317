"""Mail about saved searches: each piece of news once, at most one mail a day, and nothing of others' projects."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from hub.dataspace.models import Query, Visibility
from hub.dataspace.publications import service as publications
from hub.dataspace.saved_searches import service as saved_searches
from hub.dataspace.saved_searches.models import SavedSearchForm
from hub.dataspace.saved_searches.tables import SavedSearchRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.identity.models import Person
from hub.mail.tables import LetterRow
from hub.projects.models import ProjectSpec
from tests.hub.dataspace.sources.test_harvester import page
from tests.hub.dataspace.test_routes import FORM
from tests.hub.fakes import provision

LATER = timedelta(minutes=10)


@pytest.fixture
def letters(sessions):
    def letters():
        with sessions() as session:
            return session.scalars(select(LetterRow).order_by(LetterRow.id)).all()

    return letters


@pytest.fixture
def write(sessions, settings, shop):
    """One look of the worker, as if it was so much later."""

    def write(after=LATER):
        return saved_searches.write_news(sessions, settings, shop.index, now() + after)

    return write


@pytest.fixture
def harvest(shop, site, sessions):
    """The site's page with these records; those that are new have changed ``after`` from now."""

    def harvest(*names, after=timedelta(), more=""):
        site.turtle("/", page(*names, more=more))
        shop.harvest(site.url + "/")
        with sessions() as session:
            session.execute(update(RecordRow).where(~RecordRow.indexed).values(changed=now() + after))
            session.commit()
        shop.refresh()

    return harvest


def keep(sessions, person="founder", title="All", ago=timedelta(hours=1), **query):
    with sessions() as session:
        saved_search = saved_searches.save(session, person, SavedSearchForm(title=title, query=Query(**query)))
        session.get_one(SavedSearchRow, saved_search.id).seen = now() - ago
        session.commit()
    return saved_search


def test_news_come_once_with_links_and_the_way_to_stop_them(sessions, settings, harvest, write, letters):
    keep(sessions, title="My air", chips=("licence:not-stated", "space:Test"))
    harvest("a", "b")

    assert write() == 1
    [letter] = letters()
    assert letter.to == f"founder@{settings.mail.domain}"
    assert letter.subject == "2 records for “My air”"
    assert letter.text.count("- T (") == 2
    where = f"{settings.service_url('dashboards')}voila/render/dataspaces.ipynb"
    assert f"{where}#record=1" in letter.text
    assert f"{where}#chip=licence%3Anot-stated&chip=space%3ATest&sort=date" in letter.text
    assert f"{where}#view=saved" in letter.text
    assert "Stop mail" in letter.text

    assert write() == 0
    assert write(timedelta(days=2)) == 0
    assert len(letters()) == 1


def test_the_link_to_a_saved_search_has_its_days(sessions, harvest, write, letters, site):
    keep(sessions, updated_from="2020-01-01", updated_to="2999-12-31", chips=("keyword:rivers",))
    harvest("a", more='x:a dct:modified "2020-05-17" ; <http://www.w3.org/ns/dcat#keyword> "Rivers" .')
    assert write() == 1
    assert "#chip=keyword%3Arivers&from=2020-01-01&to=2999-12-31&sort=date" in letters()[0].text


def test_at_most_one_mail_a_day_and_the_next_lists_what_came_meanwhile(sessions, harvest, write, letters):
    keep(sessions)
    harvest("a")
    assert write() == 1
    harvest("a", "b", "c", after=timedelta(hours=1))
    assert write(timedelta(hours=20)) == 0, "the day is not over"
    assert write(timedelta(hours=25)) == 1
    assert letters()[1].subject.startswith("2 records")


def test_records_not_yet_indexed_are_mailed_once_they_are(sessions, site, shop, harvest, write, letters):
    keep(sessions)
    harvest("a")
    site.turtle("/", page("a", "b"))
    shop.harvest(site.url + "/")  # stored, not indexed
    with sessions() as session:
        session.execute(update(RecordRow).where(~RecordRow.indexed).values(changed=now() + timedelta(minutes=1)))
        session.commit()
    assert write() == 1
    shop.refresh()
    assert write(timedelta(hours=25)) == 1
    assert [letter.subject for letter in letters()] == ["1 record for “All”", "1 record for “All”"]


def test_records_indexed_after_the_search_was_saved_are_mailed(sessions, site, shop, write):
    site.turtle("/", page("a"))
    shop.harvest(site.url + "/")
    with sessions() as session:
        saved_searches.save(session, "founder", SavedSearchForm(title="All", query=Query()))
    shop.refresh()
    assert write() == 1


def test_records_indexed_before_the_search_was_saved_are_not_mailed(sessions, harvest, write):
    harvest("a", "b")
    with sessions() as session:
        saved_searches.save(session, "founder", SavedSearchForm(title="All", query=Query()))
    assert write() == 0


def test_no_mail_for_a_quiet_or_deleted_search(sessions, harvest, write, letters):
    keep(sessions, title="deleted")
    with sessions() as session:
        [row] = saved_searches.saved(session, "founder")
        saved_searches.forget(session, "founder", row.id)
        saved_searches.save(session, "founder", SavedSearchForm(title="quiet", query=Query(), mail=False))
        session.execute(update(SavedSearchRow).values(seen=now() - timedelta(hours=1)))
        session.commit()
    harvest("a")
    assert (write(), letters()) == (0, [])


def test_killed_before_the_end_no_news_is_mailed_twice_or_lost(sessions, harvest, write, letters, monkeypatch):
    keep(sessions)
    keep(sessions, person="colleague")
    harvest("a")

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    enqueue = saved_searches.mail.enqueue
    monkeypatch.setattr(saved_searches.mail, "enqueue", lambda *a, **k: (enqueue(*a, **k), killed()))
    with pytest.raises(Killed):
        write()
    assert letters() == [], "the mail is part of the transaction that did not end"
    monkeypatch.setattr(saved_searches.mail, "enqueue", enqueue)
    assert write() == 2
    assert {letter.to.partition("@")[0] for letter in letters()} == {"founder", "colleague"}


def test_a_broken_saved_search_does_not_hold_up_the_others(sessions, harvest, write, letters):
    keep(sessions, person="broken")
    keep(sessions, person="founder")
    with sessions() as session:
        session.execute(update(SavedSearchRow).where(SavedSearchRow.person == "broken").values(query="{"))
        session.commit()
    harvest("a")
    assert write() == 1
    assert letters()[0].to.startswith("founder@")


async def test_a_projects_record_is_news_for_the_project_only(
    sessions, session, slurm, shop, project, settings, write, letters
):
    spec = ProjectSpec(slug="other", title="Other", account="other", cpu_hours=1, members={"stranger": "lead"})
    await provision(session, slurm, spec)
    keep(sessions, person="stranger")
    keep(sessions, person="colleague")
    publications.publish(session, Person(name="founder", kind="user"), FORM, "http://x.example/catalogue")
    shop.refresh()
    assert FORM.visibility is Visibility.PROJECT
    assert write() == 1
    assert [letter.to.partition("@")[0] for letter in letters()] == ["colleague"]


def test_titles_are_put_on_one_line_and_forge_no_header(sessions, site, shop, write, letters):
    keep(sessions, title="Mine\r\nBcc: all@x.example")
    site.turtle("/", page("a").replace('"T"', '"One\\nTwo"'))
    shop.harvest(site.url + "/")
    shop.refresh()
    assert write() == 1
    [letter] = letters()
    assert "\n" not in letter.subject
    assert "- One Two (" in letter.text


def test_who_is_leaving_a_project_gets_no_news_of_its_records(sessions, session, shop, project, write, letters):
    keep(sessions, person="founder")
    keep(sessions, person="colleague")
    publications.publish(session, Person(name="founder", kind="user"), FORM, "http://x.example/catalogue")
    next(member for member in project.members if member.person == "colleague").leaving = True
    session.commit()
    shop.refresh()
    assert write() == 1
    assert [letter.to.partition("@")[0] for letter in letters()] == ["founder"]
