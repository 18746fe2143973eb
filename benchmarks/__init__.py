"""A live Triton -> figures."""
