"""Benchmarks: each scenario measures Atrium and a reference by turns in one call, because only their ratio means
anything on a busy machine. ``python -m tests.bench [SCENARIO…]`` runs them against the deployment of ``ATRIUM_PREFIX``.
"""
