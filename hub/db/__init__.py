"""The database of the API and the worker; the Hub's own is another one."""
