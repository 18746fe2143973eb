"""One file a way in: what an engineer has -> a network that answers and, where it can, exports."""
