"""Roles out of the Hub's groups. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from hub.identity.models import Role

_ROLE_OF_GROUP = {
    "admins": Role.ADMIN,
    "reviewers": Role.REVIEWER,
    "trainers": Role.TRAINER,
    "analysts": Role.ANALYST,
}


def roles_of(groups: Iterable[str]) -> tuple[Role, ...]:
    """Roles of somebody in these groups, always in the same order; groups that mean nothing here are ignored."""
    held = set(groups)
    return tuple(role for group, role in _ROLE_OF_GROUP.items() if group in held)
