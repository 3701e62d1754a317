"""Publications of projects, and the DCAT-AP catalogue that others harvest."""
