"""Emails to people who left the waiting page, sent once."""

import pytest
from sqlalchemy import select

from hub.db.base import now
from hub.errors import NotFound
from hub.mail.tables import LetterRow
from hub.servers import service
from hub.servers.models import Ending, Verdict

CRASHED = Verdict(ending=Ending.HOME_FULL, message="Your home directory is full.", hint="Delete something.")


@pytest.fixture
def attempt(session):
    row = service.begin(
        session, gateway="atrium", person="maria", os_account="maria", server="big", request={"cpus": 2}
    )
    service.submitted(session, row.id, 7)
    return row.id


def letters(session):
    return session.scalars(select(LetterRow).order_by(LetterRow.id)).all()


def test_ready_is_told_once_to_whom_asked_for_it(session, attempt):
    service.tell_when_ready(session, "maria", "big", True)
    service.started(session, attempt, node="cpu1", ends=now())
    for _ in range(2):
        service.ready(session, attempt)
    [letter] = letters(session)
    assert (letter.to, letter.subject) == ("maria@localhost", "Your notebook “big” is ready")
    assert "on node cpu1" in letter.text and "/hub/spawn-pending/maria/big\n" in letter.text
    service.ended(session, attempt, CRASHED)
    assert len(letters(session)) == 1, "it did start"


def test_a_failed_start_is_told_with_what_to_do(session, attempt):
    service.tell_when_ready(session, "maria", "big", True)
    service.ended(session, attempt, CRASHED)
    [letter] = letters(session)
    assert letter.subject == "Your notebook “big” did not start"
    assert "Your home directory is full. Delete something." in letter.text


def test_nobody_is_told_who_waited_changed_their_mind_or_stopped_it(session, attempt):
    service.tell_when_ready(session, "maria", "big", True)
    service.tell_when_ready(session, "maria", "big", False)
    service.ready(session, attempt)
    service.ended(session, attempt, CRASHED)
    other = service.begin(session, gateway="atrium", person="maria", os_account="maria", server="", request={}).id
    service.tell_when_ready(session, "maria", "", True)
    service.ended(session, other, Verdict(ending=Ending.STOPPED, message="It was stopped as asked."))
    assert letters(session) == []


def test_a_server_that_was_put_back_into_the_queue_is_told_again(session, attempt):
    service.tell_when_ready(session, "maria", "big", True)
    service.ready(session, attempt)
    service.requeued(session, attempt)
    service.ready(session, attempt)
    assert [letter.subject for letter in letters(session)] == ["Your notebook “big” is ready"] * 2


def test_what_is_through_or_somebody_elses_cannot_be_told(session, attempt):
    service.ready(session, attempt)
    for person in ("maria", "jan"):
        with pytest.raises(NotFound):
            service.tell_when_ready(session, person, "big", True)
