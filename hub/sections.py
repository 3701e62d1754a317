"""Base class and units of the settings' sections, and the section that the dashboards service also reads.

:mod:`hub.settings` puts the sections together. This module needs pydantic alone, so the user environment, which has no
pydantic-settings, can import it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


def _unit(name: str) -> Any:
    return Field(json_schema_extra={"unit": name})


SECONDS = _unit("seconds")
MINUTES = _unit("minutes")
HOURS = _unit("hours")
DAYS = _unit("days")
GIB = _unit("GiB")
GB = _unit("GB")
MIB = _unit("MiB")
COUNT = _unit("count")
PORT = _unit("port number")


def unit_of(field: FieldInfo) -> str:
    """The unit of a number; "" without one."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


class Section(BaseModel):
    """A table of ``atrium.toml``. Unknown keys are rejected; the docstrings of its fields are their descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


DASHBOARDS_VARIABLE: Final = "ATRIUM_DASHBOARDS"
"""Variable in which the dashboards service gets its section, as JSON."""
SOCKET_VARIABLE: Final = "ATRIUM_DASHBOARDS_SOCKET"
"""Variable with the path of the socket that the dashboards service listens on."""


class Dashboards(Section):
    """The dashboards service (Voila), which shows the pages that the factory itself writes."""

    preheated: Annotated[int, COUNT] = Field(1, ge=0)
    """Kernels kept ready for each dashboard, so that its page is shown at once."""
    kernels_per_visitor: Annotated[int, COUNT] = Field(4, ge=1)
    """Dashboards that one person may have open at the same time."""
    kernels: Annotated[int, COUNT] = Field(40, ge=1)
    """Dashboards that all people together may have open at the same time."""
    idle_minutes: Annotated[float, MINUTES] = Field(20.0, gt=0)
    """A dashboard that nobody has used for this long is closed."""
    gone_seconds: Annotated[float, SECONDS] = Field(30.0, gt=0)
    """The kernel of a page whose last connection closed this long ago ends."""
