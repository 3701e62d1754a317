"""Projects: what was granted to whom, and the Slurm account it is charged to."""
