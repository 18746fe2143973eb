"""One file a way to ask: arrays in, arrays out."""
