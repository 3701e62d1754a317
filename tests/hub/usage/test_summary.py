from __future__ import annotations

from hub.usage.models import Hours, ProjectHours
from hub.usage.summary import hours_left


def test_hours_are_each_projects_own() -> None:
    def project(slug: str, cpu: float, gpu: float) -> ProjectHours:
        amounts = {
            kind: Hours(granted=100 if left else 0, used=0, left=left) for kind, left in (("cpu", cpu), ("gpu", gpu))
        }
        return ProjectHours.model_construct(slug=slug, **amounts)

    demo, steel = project("demo", 1000, 0), project("green-steel", 2000.6, 3.14)
    assert hours_left([demo, steel]) == "demo: 1\u202f000 CPU; green-steel: 3.1 GPU · 2\u202f001 CPU"
    assert hours_left([project("demo", 5, 0), project("empty", 0, 0)]) == "demo: 5 CPU"
    assert hours_left([demo, steel, demo, demo]).endswith("CPU; and 2 more")
    assert hours_left([]) == ""
