"""Data spaces: find data, see what one may do with it, have it in a project; and give back."""

from widgets.dataspace.notebook import DataSpace
from widgets.dataspace.state import DataspaceState
from widgets.dataspace.view import Dataspace

__all__ = ["DataSpace", "Dataspace", "DataspaceState"]
