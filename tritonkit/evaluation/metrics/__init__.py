"""Figures of merit, one file a subject: numpy arrays in, numbers out."""
