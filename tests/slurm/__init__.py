"""The one door to Slurm, on a real Slurm."""
