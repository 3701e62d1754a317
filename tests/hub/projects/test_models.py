import pytest
from pydantic import ValidationError

from hub.projects.models import ProjectSpec

GOOD = {"slug": "demo", "title": "Demo", "account": "demo", "cpu_hours": 10}


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "Demo"},
        {"slug": "../etc"},
        {"slug": "demo\n"},
        {"account": "demo,root"},
        {"account": "demo set=1"},
        {"title": ""},
        {"cpu_hours": -1},
        {"members": {"Root!": "lead"}},
        {"members": {"founder\n": "lead"}},
        {"members": {"founder": "owner"}},
        {"starts": "2026-02-01", "until": "2026-01-01"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_an_invalid_project_is_refused(wrong):
    with pytest.raises(ValidationError):
        ProjectSpec.model_validate(GOOD | wrong)


def test_gpu_hours_without_core_hours_are_refused():
    with pytest.raises(ValidationError, match="core hours too"):
        ProjectSpec.model_validate(GOOD | {"cpu_hours": 0, "gpu_hours": 5})
    assert ProjectSpec.model_validate(GOOD | {"cpu_hours": 5, "gpu_hours": 0})


def test_a_valid_project_is_accepted():
    assert ProjectSpec.model_validate(GOOD | {"members": {"founder": "lead"}}).gpu_hours == 0
