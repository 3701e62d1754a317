"""The order of a person's projects on the spawn page."""

from __future__ import annotations

from dataclasses import replace

from tests.spawners.cluster import CLUSTER, SETTINGS, offer


def test_own_projects_come_before_the_account_of_people_without_one() -> None:
    shared = SETTINGS.slurm.default_account
    own = tuple(
        replace(entry, account="zinc")
        for entry in CLUSTER.associations
        if entry.account == shared and entry.user in ("", "founder")
    )
    cluster = replace(CLUSTER, associations=(*CLUSTER.associations, *own))

    assert [project.account for project in offer().projects] == [shared]
    assert [project.account for project in offer(cluster).projects] == ["zinc", shared]
