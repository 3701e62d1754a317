"""The whole deployment, real parts only: Hub, proxy, Slurm, Voila and Chromium."""
