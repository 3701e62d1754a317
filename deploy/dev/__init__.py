"""The one-machine deployment behind ``make up``: standard library only, run before any environment exists.

``layout`` says where everything is, ``preflight`` whether it can be done, ``packages``, ``environments``,
``accounts``, ``logins``, ``settings`` and ``slurm`` lay it down, ``programs`` names what runs, ``supervisor`` runs
it, ``health`` asks whether it answers; ``up``, ``down``, ``status``, ``logs`` and ``purge`` are the commands.
"""
