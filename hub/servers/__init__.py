"""The ledger of notebook servers: one row for each attempt to start a server as a Slurm job."""
