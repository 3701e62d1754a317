"""The way from "who are you" to hours on the machine."""

from widgets.onboarding.view import Onboarding

__all__ = ["Onboarding"]
