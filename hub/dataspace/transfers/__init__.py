"""Files on their way into a project's storage, as Slurm jobs of the person."""
