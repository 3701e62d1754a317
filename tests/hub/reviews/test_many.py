"""Ten thousand applications need as many database queries as ten, and the page has the same length."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, insert, select

from hub.applications.models import Version
from hub.applications.tables import ApplicationRow, VersionRow
from hub.db.base import now
from hub.organisations.tables import OrganisationRow, ProfileRow
from hub.reviews.models import QueueFilter
from hub.reviews.tables import ReviewRow
from tests.hub.fakes import settle, submitted

pytestmark = pytest.mark.process


@contextmanager
def counted() -> Iterator[list[str]]:
    """Every statement that any engine of this process runs."""
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def many(session, like: int, count: int) -> None:
    """``count`` more applications like the one that is there, each of an organisation of its own, with two reviews."""
    row = session.get(ApplicationRow, like)
    version = Version.model_validate(session.scalars(select(VersionRow.content)).first())
    columns = {column.key: getattr(row, column.key) for column in ApplicationRow.__table__.columns}
    numbers = range(like + 1, like + 1 + count)
    moment = now()
    content = version.model_dump(mode="json")
    table = {
        OrganisationRow: lambda n: {
            "id": n,
            "revision": 1,
            "name": f"O{n}",
            "form": {},
            "join_code": f"{n}",
            "created": moment,
        },
        ProfileRow: lambda n: {"person": f"p{n}", "organisation_id": n, "form": {}, "changed": moment},
        ApplicationRow: lambda n: (
            columns | {"id": n, "owner": f"p{n}", "organisation_id": n, "due": row.due + timedelta(days=n % 40 - 20)}
        ),
        VersionRow: lambda n: {
            "application_id": n,
            "number": 1,
            "submitted": moment,
            "by": f"p{n}",
            "content": content,
        },
        ReviewRow: lambda n: {
            "application_id": n,
            "reviewer": "another",
            "conflict": False,
            "remarks": "",
            "declared": moment,
            "version": 1,
            "scores": {},
            "comment": "",
            "cpu_hours": 1,
            "gpu_hours": 1,
            "approve": True,
            "at": moment,
        },
    }
    for kind, values in table.items():
        session.execute(insert(kind), [values(number) for number in numbers])
    session.commit()


@pytest.fixture
def people(person):
    founder = person("founder")
    settle(founder)
    submitted(founder)
    reviewer = person("reviewer", groups=["reviewers"])
    reviewer.reviews.declare_conflict(1, conflict=False)
    return founder, reviewer


def test_the_number_of_statements_does_not_grow_with_the_rows(people, session):
    founder, reviewer = people
    requests = {
        "queue": reviewer.reviews.queue,
        "a page far behind": lambda: reviewer.reviews.queue(QueueFilter(offset=9_000)),
        "filtered": lambda: reviewer.reviews.queue(QueueFilter(mode="playground", overdue=True)),
        "newest": lambda: reviewer.reviews.queue(QueueFilter(order="newest")),
        "case": lambda: reviewer.reviews.case(1),
        "mine": founder.applications.mine,
        "one": lambda: founder.applications.get(1),
        "me": founder.me,
        "overview": lambda: founder.overview("founder"),
        "calls": founder.calls.all,
        "projects": founder.projects.mine,
    }

    def costs():
        statement_counts = {}
        for name, request in requests.items():
            request()  # the first of a kind may look up more
            with counted() as statements:
                request()
            statement_counts[name] = len(statements)
        return statement_counts

    many(session, 1, 60)  # a full page
    few = costs()
    many(session, 61, 10_000)
    assert reviewer.reviews.queue().total == 10_061
    assert len(reviewer.reviews.queue().entries) == 50
    assert costs() == few
    assert max(few.values()) <= 12, few
