"""The one-machine deployment behind ``make up``: standard library only, run before any environment exists.

``layout`` has all paths and ports, ``preflight`` checks the machine, ``packages``, ``environments``,
``accounts``, ``logins``, ``settings`` and ``slurm`` lay it down, ``programs`` names what runs, ``supervisor`` runs
it, ``health`` asks whether it answers; ``up``, ``down``, ``status``, ``logs`` and ``purge`` are the commands.
"""
