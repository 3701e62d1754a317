"""The error that stops a command of the deployment."""

from __future__ import annotations


class DeployError(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do."""
