"""A person's notebook servers as Slurm jobs: the ledger, one row an attempt to start one."""
