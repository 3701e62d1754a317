"""Who asks, and what they may do beyond their own projects."""
