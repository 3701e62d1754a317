"""Atrium's tests; tests/README.md says which kinds there are."""
