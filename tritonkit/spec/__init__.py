"""Every document of the kit, typed, and the error that every room raises."""
