"""Form fields: a control with a label above and a hint and an error message below it.

The page's script (``hub/pages/static/dashboard.js``) connects both to the control for screen readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, ClassVar, TypeVar

from ipywidgets import (
    HTML,
    Button,
    Checkbox,
    DatePicker,
    Dropdown,
    FloatText,
    HBox,
    IntText,
    Layout,
    Text,
    Textarea,
    VBox,
)
from markupsafe import Markup
from pydantic import BaseModel, ValidationError

from hub import formats
from hub.errors import InvalidInput
from hub.validation import field_name, sentence

Model = TypeVar("Model", bound=BaseModel)

CHOOSE = "Choose …"
NOTHING = ""
"""Value of the entry "Choose …"; a Dropdown uses None for "no entry selected"."""


PLAIN = Layout()
"""Shared by all controls: a layout per control would double the size of a page. Only whole fields are shown and hidden,
and those have their own layout."""


class Field(VBox):
    """A control with hint and error. ``name`` is the field's name in the API, used to place its error messages."""

    def __init__(self, name: str, control: Any, hint: str = "", *, wide: bool = False) -> None:
        self.name = name
        self.control = control
        self.hint = hint
        self.complaint = ""
        self.note = HTML(layout=PLAIN) if hint else None
        super().__init__([control], _dom_classes=("field", "wide") if wide else ("field",))
        self._show()

    @property
    def value(self) -> Any:
        return self.control.value

    @value.setter
    def value(self, value: Any) -> None:
        self.control.value = value

    def complain(self, message: str) -> None:
        """Show an error message; an empty one removes it."""
        if message != self.complaint:
            self.complaint = message
            self._show()

    def _show(self) -> None:
        wrong = Markup('<p class="field-error">{}</p>').format(self.complaint) if self.complaint else Markup("")
        hint = Markup('<p class="hint">{}</p>').format(self.hint) if self.hint else Markup("")
        if self.note is None and not (wrong or hint):
            return
        if self.note is None:
            self.note = HTML(layout=PLAIN)
        self.note.value = str(wrong + hint)
        self.children = (self.control, self.note)


class Choice(Field):
    """A drop-down field; the value None is the entry "Choose …", or no entry where there is none of that name.

    What is chosen is a value, not a position: when its entry disappears, nothing is chosen.
    """

    @property
    def value(self) -> Any:
        return None if self.control.value == NOTHING else self.control.value

    @value.setter
    def value(self, value: Any) -> None:
        values = [option for _, option in self.control.options]
        selected = NOTHING if value is None else value
        nothing = NOTHING if NOTHING in values else None
        self.control.value = selected if selected in values else nothing

    def required(self, sentence: str) -> Any:
        """The value; raises :class:`InvalidInput` with ``sentence`` if nothing is chosen."""
        if self.value is None:
            raise InvalidInput(sentence, field=self.name)
        return self.value

    def offer(self, options: Iterable[tuple[str, Any]], *, first: str | None = CHOOSE) -> None:
        """Replace the options; the selection is kept if it is still available."""
        entries, value = _entries(options, first), self.value
        if tuple(self.control.options) != entries:
            self.control.options = entries
            self.value = value


def _entries(options: Iterable[tuple[str, Any]], first: str | None) -> tuple[tuple[str, Any], ...]:
    return (*([(first, NOTHING)] if first is not None else ()), *options)


def line(name: str, label: str, hint: str = "", **options: Any) -> Field:
    """One line of text."""
    return Field(name, Text(description=label, layout=PLAIN, continuous_update=False, **options), hint)


def paragraphs(name: str, label: str, hint: str = "", rows: int = 5) -> Field:
    return Field(name, Textarea(description=label, layout=PLAIN, rows=rows, continuous_update=False), hint, wide=True)


def whole(name: str, label: str, hint: str = "", value: int = 0) -> Field:
    return Field(name, IntText(value, description=label, layout=PLAIN), hint)


def number(name: str, label: str, hint: str = "", value: float = 0.0) -> Field:
    return Field(name, FloatText(value, description=label, layout=PLAIN), hint)


def day(name: str, label: str, hint: str = "") -> Field:
    return Field(name, DatePicker(description=label, layout=PLAIN), hint)


def check(name: str, label: str, hint: str = "") -> Field:
    return Field(name, Checkbox(description=label, layout=PLAIN, indent=False), hint, wide=True)


def choice(
    name: str, label: str, options: Iterable[tuple[str, Any]], hint: str = "", *, first: str | None = CHOOSE
) -> Choice:
    """A drop-down list; ``first`` is the label of the entry for None (None: no such entry)."""
    entries = _entries(options, first)
    return Choice(
        name, Dropdown(options=entries, value=entries[0][1] if entries else None, description=label, layout=PLAIN), hint
    )


def yes_no(name: str, label: str, hint: str = "") -> Choice:
    field = choice(name, label, [("No", False), ("Yes", True)], hint)
    field.add_class("wide")
    return field


def button(label: str, click: Callable[[], object], style: str = "", hint: str = "") -> Button:
    widget = Button(description=label, tooltip=hint or label, button_style=style)
    widget.on_click(lambda _: click())
    return widget


def row(*children: Any) -> HBox:
    return HBox(children, _dom_classes=("field-row",))


def grid(*controls: Any) -> HBox:
    """Controls with labels above and without hints or errors of their own."""
    return HBox(controls, _dom_classes=("field-grid",))


def adding(label: str, click: Callable[[], object]) -> Button:
    """A button that adds a row of fields; the page's script presses it to put back what somebody typed in one."""
    widget = button(label, click)
    widget.add_class("adds-row")
    return widget


class ButtonRow(HBox):
    """Buttons, and beside them what came of the last press."""

    latest: ClassVar[ButtonRow | None] = None
    """Where a button was pressed last in this kernel; None after a link."""

    def __init__(self, *children: Any) -> None:
        self.outcome = HTML(layout=PLAIN)
        self.outcome.add_class("outcome")
        super().__init__((*children, self.outcome), _dom_classes=("actions",))
        for child in children:
            if isinstance(child, Button):
                child.on_click(self._pressed)

    def _pressed(self, _: Button) -> None:
        ButtonRow.latest = self

    @classmethod
    def forget(cls) -> None:
        """What comes next comes of a link."""
        ButtonRow.latest = None


def buttons(*children: Any) -> ButtonRow:
    return ButtonRow(*children)


def visible_rows(box: Any) -> Iterator[ButtonRow]:
    """The rows of buttons that are shown anywhere in a box."""
    if box.layout.display == "none":
        return
    if isinstance(box, ButtonRow):
        yield box
    for child in getattr(box, "children", ()):
        yield from visible_rows(child)


def show_outcome(text: Markup | str, top: HTML, *boxes: Any) -> None:
    """Show what an action does beside the button that started it, or at the top if that button is not shown."""
    rows = [row for box in boxes for row in visible_rows(box)]
    latest = ButtonRow.latest if ButtonRow.latest in rows else None
    for place in (top, *(row.outcome for row in rows)):
        value = str(text) if place is (latest.outcome if latest else top) else ""
        if place.value != value:
            place.value = value


class Confirmation(VBox):
    """Says what an action means before it happens; not shown until :meth:`ask`."""

    def __init__(self, style: str = "danger") -> None:
        self.text = HTML()
        self._act: Callable[[], object] | None = None
        self.confirm = button("Confirm", self._confirmed, style)
        super().__init__([self.text, buttons(self.confirm, button("Go back", self.dismiss))])
        self.layout.display = "none"

    def ask(self, consequences: Markup | str, label: str, act: Callable[[], object]) -> None:
        """Ask; ``label`` is what the button says that does ``act``."""
        self._act = act
        self.text.value = str(Markup('<div class="notice warn" role="alert"><p>{}</p></div>').format(consequences))
        self.confirm.description = self.confirm.tooltip = label
        self.layout.display = ""
        self.confirm.focus()

    def dismiss(self) -> None:
        self._act = None
        self.layout.display = "none"

    def _confirmed(self) -> None:
        act = self._act
        self.dismiss()
        if act is not None:
            act()


def fieldset(title: str, *children: Any, about: Markup | str = "") -> VBox:
    """Fields that belong together, below a heading."""
    head = Markup('<h3 class="fieldset">{}</h3>').format(title)
    if about:
        head += Markup("<p>{}</p>").format(about)
    return VBox([HTML(str(head)), *children], _dom_classes=("card", "form-card"))


def checked(model: type[Model], values: Mapping[str, Any], prefix: str = "", *, whole: str = "") -> Model:
    """Validate field values as ``model``; raises :class:`Invalid` with the errors by field name.

    ``whole`` is the field that shows errors of the whole model.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise Invalid(problems_of(error, prefix, whole)) from error


class Invalid(InvalidInput):
    """Field values are invalid: ``problems`` maps field names to error messages."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("Some fields have errors.", hint="Correct the fields that are marked below.")
        self.problems = dict(problems)


def problems_of(error: ValidationError, prefix: str = "", whole: str = "") -> dict[str, str]:
    """Field name in the API -> error message."""
    problems: dict[str, str] = {}
    for problem in error.errors():
        where = prefix + field_name(problem["loc"]) if problem["loc"] else whole or prefix.rstrip(".")
        problems.setdefault(where, _sentence(_last_name(where), problem))
    return problems


def first_problem(error: ValidationError) -> InvalidInput:
    """The first problem, for a form that shows one message; the sentence begins with the field's name."""
    where, problem = next(iter(problems_of(error).items()))
    field = _last_name(where)
    name = field.replace("_", " ").capitalize()
    return InvalidInput(f"{name}: {problem}" if name else problem, field=field or None)


_PATTERNS = {
    "access_url": "Enter an address starting with https://, http:// or s3://.",
    "contact": "Enter a mail address.",
    "download_url": "Enter an address starting with https://, http:// or s3://.",
    "name": "Use lowercase letters, digits and hyphens, and start with a letter.",
    "orcid": "Enter an ORCID iD such as 0000-0002-1825-0097.",
    "url": "Enter a web address starting with https://.",
    "website": "Enter a web address starting with https://.",
}
"""What to enter, by the last part of a field's name, where the value does not match the field's pattern."""

_EMPTY = {"script": "Enter the program to run."}
"""What to enter, by the last part of a field's name, where the value is too short."""

_SENTENCES = {
    "string_pattern_mismatch": "The format is not valid.",
    "date_from_datetime_parsing": "Enter a date.",
    "string_too_short": "Fill in this field.",
}


def _last_name(where: str) -> str:
    """The last name in a location; pydantic also adds indices, and branches of unions such as ``constrained-str``."""
    return next((part for part in reversed(where.split(".")) if part.isidentifier()), "")


def _sentence(field: str, problem: Mapping[str, Any]) -> str:
    if problem["type"] == "string_pattern_mismatch" and field in _PATTERNS:
        return _PATTERNS[field]
    if problem["type"] == "string_too_short" and field in _EMPTY:
        return _EMPTY[field]
    text = _SENTENCES.get(problem["type"]) or sentence(problem).removeprefix("String ")
    text = text.replace("should have", "use").replace("Input should be", "Must be")
    return text[:1].upper() + text[1:]


def date_words(day: date) -> str:
    """``5 January 2026``."""
    return formats.day(day)
