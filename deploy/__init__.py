"""Deployment of Atrium on machines."""
