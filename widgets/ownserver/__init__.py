"""What a person's own server loads: error pages, theme, and the scaling page."""
