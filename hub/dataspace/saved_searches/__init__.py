"""Searches that people keep, and mail about new results."""
