"""A person's projects: members, hours, files, and more of them."""

from widgets.projects.view import Projects

__all__ = ["Projects"]
