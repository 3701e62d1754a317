"""Data models of Dask clusters and trainings, exchanged by a server's manager, its pages and notebooks."""
