"""Extensions of a person's own server: error pages, theme, and the scaling page."""
