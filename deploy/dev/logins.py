"""The demo's people and their passwords (PAM with a file of hashes; OS passwords stay locked)."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass

from deploy.dev import files
from deploy.dev.command import run
from deploy.dev.layout import SERVICE_USER, Layout

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # without characters that look alike
_LENGTH = 16

ROLES = ("founder", "colleague", "trainer", *["learner"] * 20, "analyst", "reviewer", "admin")


@dataclass(frozen=True)
class Person:
    name: str
    role: str


@dataclass(frozen=True)
class Login:
    name: str
    password: str
    role: str


def people(prefix: str) -> list[Person]:
    """All people of the demo, learners numbered from 01."""
    learners = iter(range(1, len(ROLES)))
    return [
        Person(f"{prefix}{role}{next(learners):02}" if role == "learner" else prefix + role, role) for role in ROLES
    ]


def names_with(role: str, layout: Layout) -> list[str]:
    return [person.name for person in people(layout.options.people) if person.role == role]


def ensure(layout: Layout) -> list[Login]:
    """Create a random password for each person without one; returns the new logins, which are shown once."""
    hashes_file, logins_file = layout.etc / "demo-passwd", layout.etc / "demo-logins.json"
    hashes = hashes_file.read_text().splitlines() if hashes_file.exists() else []
    names = {line.partition(":")[0] for line in hashes}
    fresh = [
        Login(person.name, _password(), person.role)
        for person in people(layout.options.people)
        if person.name not in names
    ]
    if not fresh:
        return []
    logins = json.loads(logins_file.read_text()) if logins_file.exists() else []
    renewed = {login.name for login in fresh}
    logins = [login for login in logins if login["name"] not in renewed] + [asdict(login) for login in fresh]
    files.put(logins_file, json.dumps(logins, indent=2) + "\n", mode=0o600)
    passwords = "".join(f"{login.password}\n" for login in fresh)
    new_hashes = run(["openssl", "passwd", "-6", "-stdin"], deadline=60, stdin=passwords).splitlines()
    hashes += [f"{login.name}:{hashed}" for login, hashed in zip(fresh, new_hashes, strict=True)]
    files.put(hashes_file, "\n".join(hashes) + "\n", mode=0o640, group=SERVICE_USER)
    return fresh


def _password() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
