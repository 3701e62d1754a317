from __future__ import annotations

from hub.usage.models import Hours, ProjectHours
from hub.usage.summary import hours_left


def test_hours_of_all_projects_are_one_sum() -> None:
    def project(cpu: float, gpu: float) -> ProjectHours:
        amounts = {
            kind: Hours(granted=100 if left else 0, used=0, left=left) for kind, left in (("cpu", cpu), ("gpu", gpu))
        }
        return ProjectHours.model_construct(**amounts)

    assert hours_left([project(1000, 0), project(2000.6, 3.14)]) == "3.1 GPU · 3\u202f001 CPU"
    assert hours_left([project(5, 0)]) == "5 CPU"
    assert hours_left([]) == ""
