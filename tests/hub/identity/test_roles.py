from hub.identity.models import Role
from hub.identity.roles import roles_of


def test_roles_come_from_groups_in_one_order():
    assert roles_of(["trainers", "admins"]) == roles_of(["admins", "trainers"]) == (Role.ADMIN, Role.TRAINER)


def test_a_group_of_another_name_gives_nothing():
    assert roles_of(["admin", "Admins", "people", ""]) == ()
