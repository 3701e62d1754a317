"""Slurm: commands, jobs, queue and cluster; the only package that runs Slurm's commands on the server side."""
