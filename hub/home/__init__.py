"""Data of the start page."""
