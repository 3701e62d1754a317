"""Transfers of files into a project's storage, as Slurm jobs of the person."""
