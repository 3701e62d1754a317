"""Data spaces: search, licences and access, transfers into projects, and publications."""

from widgets.dataspace.notebook import DataSpace
from widgets.dataspace.state import DataspaceState
from widgets.dataspace.view import Dataspace

__all__ = ["DataSpace", "Dataspace", "DataspaceState"]
