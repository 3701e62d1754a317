"""One server as a Slurm job: the request, the script, its row in the ledger, how it ends."""
