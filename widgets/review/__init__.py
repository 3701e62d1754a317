"""The review desk: applications that wait for a review or a decision."""

from widgets.review.view import ReviewDesk

__all__ = ["ReviewDesk"]
