"""A server as a Slurm job: request, job script, row in the ledger, and verdict."""
