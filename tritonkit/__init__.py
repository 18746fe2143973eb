"""What lies between weights, a live Triton and its clients."""
