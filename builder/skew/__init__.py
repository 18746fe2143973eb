"""Training-versus-serving skew: the served preprocessing against `source.transform`, on many real pictures."""
