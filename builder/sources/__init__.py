"""One file a way in: what an engineer has -> a torch network in evaluation mode."""
