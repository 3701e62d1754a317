"""Atrium's tests; tests/README.md describes the kinds."""
