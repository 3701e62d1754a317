"""The final report of a project, drafted from its accounting."""
