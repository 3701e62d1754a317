"""How Atrium is brought onto machines."""
