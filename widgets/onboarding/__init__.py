"""The onboarding page: an application for hours in six steps, and its status."""

from widgets.onboarding.view import Onboarding

__all__ = ["Onboarding"]
