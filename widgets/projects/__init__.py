"""The projects page: members, hours, extensions and the final report."""

from widgets.projects.view import Projects

__all__ = ["Projects"]
