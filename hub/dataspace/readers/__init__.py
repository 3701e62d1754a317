"""Readers of files from outside, all of which run in the sandbox."""
