"""The person or service that sends a request."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME = r"^[a-z_][a-z0-9_-]{0,30}"
"""How a user name begins and goes on. Close it with ``\\Z`` for Python, with ``$`` for pydantic (Rust's is strict)."""

USER_NAME = re.compile(NAME + r"\Z")
PersonName = Annotated[str, StringConstraints(pattern=NAME + "$")]
"""The one name of a person: at the Hub, as OS user and in Slurm."""


class Role(StrEnum):
    """What a person may do beyond using their own projects."""

    ADMIN = "admin"
    REVIEWER = "reviewer"
    TRAINER = "trainer"
    ANALYST = "analyst"


class Person(BaseModel):
    """The owner of a token: a person, or one of the Hub's services asking on its own behalf."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["user", "service"] = "user"
    roles: tuple[Role, ...] = ()
