"""A model repository on disk: configuration, names, digests, publication."""
