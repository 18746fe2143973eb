"""Image preprocessing on NVIDIA DALI, for nodes whose Triton has the dali backend: `python -m builder.dali`."""
