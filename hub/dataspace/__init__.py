"""Data spaces: what may be used, what one may do with it, and where it is."""
