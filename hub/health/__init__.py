"""Whether the parts of the factory are alive."""
