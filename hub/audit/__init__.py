"""Who changed what, on what, when, from what to what: written once and never changed."""
