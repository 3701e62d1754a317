"""Options of a server: the closed, typed model."""

import pytest

from hub.errors import InvalidInput
from hub.settings import Profile, Settings, Spawn
from spawners.job import request as options

SETTINGS = Settings()


def test_nothing_asked_is_the_default():
    request = options.parse({}, SETTINGS)
    assert (request.account, request.partition, request.cpus, request.gpus) == ("demo", "notebooks", 2, 0)


def test_form_values_are_numbers_and_what_is_not_ours_stays_in_the_form():
    form = {"cpus": ["4"], "memory_gb": [" 8 "], "gpus": ["1"], "qos": [""], "_xsrf": ["x"], "cmd": ["id"]}
    request = options.parse(options.from_form(form), SETTINGS)
    assert (request.cpus, request.memory_gb, request.gpus, request.partition) == (4, 8, 1, "gpu")


def test_a_size_chosen_by_name_is_not_mixed_with_the_fields_for_choosing_oneself():
    form = {"profile": ["one-gpu"], "account": ["steel"], "minutes": ["60"], "cpus": ["1"], "partition": ["batch"]}
    request = options.parse(options.from_form(form), SETTINGS)
    assert (request.profile, request.account, request.minutes) == ("one-gpu", "steel", 60)
    assert (request.cpus, request.memory_gb, request.gpus, request.partition) == (4, 16, 1, "gpu")


def test_what_is_said_beside_a_profile_overrules_it():
    request = options.parse({"profile": "large-memory", "cpus": 1}, SETTINGS)
    assert (request.cpus, request.memory_gb) == (1, 32)


def test_a_profile_can_name_its_place():
    profile = Profile(name="lesson", title="Lesson", partition="short", qos="flexible", reservation="workshop")
    request = options.parse({"profile": "lesson"}, Settings(spawn=Spawn(profiles=(profile,))))
    assert (request.partition, request.qos, request.reservation) == ("short", "flexible", "workshop")


def test_a_link_keeps_what_it_says_so_that_it_can_be_refused():
    assert options.from_link({"cpus": ["4"], "cmd": ["id"], "qos": [""]}) == {"cpus": "4", "cmd": "id"}


@pytest.mark.parametrize(
    ("attack", "field"),
    [
        ({"cmd": ["/bin/sh"]}, "cmd"),
        ({"req_options": "--wrap=id"}, "req_options"),
        ({"cpus": "2\n#SBATCH --wrap=id"}, "cpus"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": 10**9}, "cpus"),
        ({"cpus": "four"}, "cpus"),
        ({"cpus": None, "minutes": 1.5}, "minutes"),
        ({"minutes": 10**30}, "minutes"),
        ({"memory_gb": -1}, "memory_gb"),
        ({"gpus": 65}, "gpus"),
        ({"gpu_type": "a100:4"}, "gpu_type"),
        ({"account": "demo\n#SBATCH --uid=0"}, "account"),
        ({"account": "demo\n"}, "account"),
        ({"account": "--uid=0"}, "account"),
        ({"account": "$(id)"}, "account"),
        ({"account": ["demo"]}, "account"),
        ({"account": {"a": 1}}, "account"),
        ({"partition": "a,b"}, "partition"),
        ({"profile": "root"}, "profile"),
        ({"profile": ["small"]}, "profile"),
        ({"profile": {"small": 1}}, "profile"),
    ],
)
def test_an_invalid_option_is_refused_by_its_field(attack, field):
    attack = {name: value for name, value in attack.items() if value is not None}
    with pytest.raises(InvalidInput) as refused:
        options.parse(attack, SETTINGS)
    assert refused.value.field == field
    assert "--" not in refused.value.message
