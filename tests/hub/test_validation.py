"""Validation errors as sentences: the field, what it must be, and never the value."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from hub.validation import first_problem, invalid_input


class Member(BaseModel):
    name: str = Field(max_length=8)

    @field_validator("name")
    @classmethod
    def _is_lower(cls, name: str) -> str:
        if not name.islower():
            raise ValueError("A name has small letters")
        return name


class Form(BaseModel):
    members: list[Member] = []
    least: int = 0
    most: int = 1

    @model_validator(mode="after")
    def _is_a_range(self) -> Form:
        if self.least > self.most:
            raise ValueError("The least is more than the most.")
        return self


def error_of(values: dict[str, Any]) -> ValidationError:
    with pytest.raises(ValidationError) as error:
        Form.model_validate(values)
    return error.value


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"least": "s3cret"}, "least", "Input should be a valid integer, unable to parse string as an integer."),
        ({"members": [{"name": "Ada"}]}, "members.0.name", "A name has small letters."),
        ({"members": [{"name": "s3cret-name"}]}, "members.0.name", "String should have at most 8 characters."),
        ({"least": 2}, "", "The least is more than the most."),
    ],
)
def test_the_first_problem_is_a_field_and_a_sentence(values: dict[str, Any], field: str, message: str) -> None:
    assert first_problem(error_of(values)) == (field, message)


def test_an_error_of_the_api_names_the_field_or_the_subject() -> None:
    whole = invalid_input(error_of({"least": 2}), subject="Form")
    assert (whole.message, whole.field) == ("Form: The least is more than the most.", None)

    member = invalid_input(error_of({"members": [{"name": "Ada"}]}), subject="Form")
    assert (member.message, member.field) == ("members.0.name: A name has small letters.", "members.0.name")
