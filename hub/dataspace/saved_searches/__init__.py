"""Saved searches, and mail about new results."""
