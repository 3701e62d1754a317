"""The full-text index and its answers."""
