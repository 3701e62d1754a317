"""Dask clusters and training jobs of a person, as they travel between their server, its pages and their notebooks."""
