"""Options of a server: allowed values, validation, cost, and the spawn page."""
