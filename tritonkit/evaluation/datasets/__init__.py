"""Labelled data, split into what is learned from and what is tested with."""
