"""Catalogues that are harvested, page by page."""
