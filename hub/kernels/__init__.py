"""Kernels whose output is not lost silently: the program that starts them, and their server's side.

Only the environment of notebooks has what the modules here import.
"""
