"""Rules that an ODRL policy inherits from others. Pure."""

from __future__ import annotations

from typing import Any

from hub.dataspace.metadata.namespaces import ODRL
from hub.dataspace.metadata.odrl_words import short
from hub.dataspace.metadata.trees import POLICY_PARTS

Tree = dict[str, Any]

SHARED = ("action", "target", "assigner", "assignee")
"""Properties that a policy may state for all its rules."""
_INHERIT = ODRL + "inheritFrom"
_PARENT_TYPES = {"Policy", "Set", "Offer"}
"""Types of policies whose rules hold for everybody who follows them; those of a request or an agreement do not."""


def with_inherited(policy: Tree) -> Tree:
    """A policy with everything that its parents state, as the ODRL Information Model replicates it.

    It keeps ``inheritFrom`` where a parent is known by its address alone, is a request or an agreement, or where child
    and parent state different actions, targets or parties for all their rules: whom these are for would be a guess.
    """
    merged = {key: values for key, values in policy.items() if key != _INHERIT}
    not_merged = []
    for parent in policy.get(_INHERIT, ()):
        inherited = with_inherited(parent) if isinstance(parent, dict) else {}
        if POLICY_PARTS & inherited.keys() and _may_be_parent(inherited) and not _contradict(merged, inherited):
            merged = _joint(merged, inherited)
        else:
            not_merged.append(parent)
    return merged | {_INHERIT: not_merged} if not_merged else merged


def _may_be_parent(policy: Tree) -> bool:
    return {short(name) for name in policy.get("@type", ()) if name.startswith((ODRL, "odrl:"))} <= _PARENT_TYPES


def _contradict(child: Tree, parent: Tree) -> bool:
    shared = [key for key in child.keys() & parent.keys() if short(key) in SHARED]
    return any(child[key] != parent[key] for key in shared)


def _joint(child: Tree, parent: Tree) -> Tree:
    """What both state. Type and address stay the child's."""
    joint = dict(child)
    for key, values in parent.items():
        if not key.startswith("@"):
            own = joint.get(key, [])
            joint[key] = [*own, *(value for value in values if value not in own)]
    return joint
