"""Applicants: profiles of people, their organisations, and the SME test."""
