"""What everybody should know."""
