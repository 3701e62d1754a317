"""States and messages of an application, shown to applicants and reviewers."""

from __future__ import annotations

from markupsafe import Markup

from hub.applications.models import ApplicationState, Message
from widgets.base import moment

STATES = {
    ApplicationState.DRAFT: ("info", "Draft"),
    ApplicationState.SUBMITTED: ("info", "Under review"),
    ApplicationState.CHANGES_REQUESTED: ("warn", "Changes requested"),
    ApplicationState.APPROVED: ("ok", "Approved"),
    ApplicationState.REJECTED: ("bad", "Not approved"),
    ApplicationState.WITHDRAWN: ("warn", "Withdrawn"),
    ApplicationState.DELETED: ("warn", "Deleted"),
}


def messages(entries: tuple[Message, ...]) -> Markup:
    if not entries:
        return Markup('<p class="quiet">There are no messages yet.</p>')
    return Markup('<ol class="card-list messages">{}</ol>').format(
        Markup("").join(
            Markup('<li><p class="quiet">{} · {}</p><p class="typed">{}</p></li>').format(
                message.author, moment(message.at), message.text
            )
            for message in entries
        )
    )
