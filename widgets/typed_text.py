"""Marks forms of a dashboard for ``hub/pages/static/typed_text.js``, which keeps what is typed until it is stored."""

from __future__ import annotations

from ipywidgets import HTML
from markupsafe import Markup


class TypedMark(HTML):
    """Names a form on the page; it stands in the form's own box.

    :param whole: every press sends the whole form; else a button sends what is in its own part of the form.
    """

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole

    def show(self, form: str, *, person: str, stored: int, filled: int, title: str, place: str) -> None:
        """Update the mark.

        :param person: account of whom the page is for; only their key is used.
        :param form: unique name of the form, such as ``onboarding 12 purpose``.
        :param stored: counts what the API has stored of what was typed on the page.
        :param filled: counts how often the fields were filled from what is stored.
        :param title: the form in words, for a link to it.
        :param place: the address of the form after ``#/``.
        """
        value = str(
            Markup(
                '<span hidden data-typed-form="{}" data-person="{}" data-stored="{}" data-filled="{}" data-title="{}" '
                'data-place="{}"{}></span>'
            ).format(form, person, stored, filled, title, place, Markup(" data-whole") if self._whole else "")
        )
        if self.value != value:
            self.value = value


def save_state(saved: Markup | str) -> Markup:
    """Beside the button that saves: what is saved, or that what was typed since is not. ``data-…``: see theme.css."""
    return Markup(
        '<p class="save-state"><span data-saved role="status">{}</span><span data-unsaved>Not saved yet.'
        "<span data-browser-has-it> Until then it stays in this browser.</span></span></p>"
    ).format(saved)
