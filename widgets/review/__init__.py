"""The review desk: applications that wait for an opinion or a decision."""

from widgets.review.view import ReviewDesk

__all__ = ["ReviewDesk"]
