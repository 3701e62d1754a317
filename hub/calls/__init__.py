"""The programme: access modes, calls and their cut-offs, and every number of them, as dated data."""
