"""Who applies: people, their organisations, and whether those are small or medium-sized."""
