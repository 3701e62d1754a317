"""Applications: a draft saved at every step, immutable versions, review, and one decision."""
