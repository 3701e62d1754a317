"""The programme: access modes, calls, cut-offs and all their numbers, as data with sources and dates."""
