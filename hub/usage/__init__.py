"""Hours used, as Slurm counts them."""
