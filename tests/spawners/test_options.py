"""The closed list of what may be asked for."""

import pytest

from hub.errors import InvalidInput
from hub.settings import Slurm
from spawners import options

SETTINGS = Slurm(max_cpus=8, max_memory_gb=32, max_hours=12)


def test_nothing_asked_is_the_default():
    request = options.parse({}, SETTINGS)
    assert (request.account, request.cpus, request.gpus) == ("demo", 2, 0)


def test_form_values_are_numbers():
    form = {
        "cpus": ["4"],
        "memory_gb": ["8"],
        "hours": ["2"],
        "gpus": ["1"],
        "account": ["demo"],
        "_xsrf": ["x"],
        "cmd": ["id"],
    }
    assert options.parse(options.from_form(form), SETTINGS).cpus == 4


@pytest.mark.parametrize(
    "attack",
    [
        {"cmd": ["/bin/sh"]},
        {"req_options": "--wrap=id"},
        {"partition": "root"},
        {"cpus": "2\n#SBATCH --wrap=id"},
        {"cpus": 9},
        {"cpus": 0},
        {"cpus": True and "yes"},
        {"hours": 10**30},
        {"memory_gb": -1},
        {"gpus": 5},
        {"account": "demo\n#SBATCH --uid=0"},
        {"account": "demo\n"},
        {"account": "--uid=0"},
        {"account": "$(id)"},
        {"account": ""},
        {"account": ["demo"]},
        {"account": {"a": 1}},
        {"": "x"},
    ],
)
def test_anything_else_is_refused(attack):
    with pytest.raises(InvalidInput):
        options.parse(attack, SETTINGS)


def test_the_form_escapes_and_remembers():
    html = options.form_html(['<b>"x'], {"cpus": 4}, SETTINGS)
    assert "<b>" not in html
    assert '<option value="4" selected>4 cores</option>' in html
    assert '<option value="12">' in html, "the limit itself is offered"
