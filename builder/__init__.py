"""Weights -> a verified candidate repository."""
