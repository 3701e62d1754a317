"""What projects publish, and the DCAT-AP catalogue that others harvest from us."""
