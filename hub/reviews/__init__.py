"""The review desk: a queue, declarations, reviews, and one decision."""
