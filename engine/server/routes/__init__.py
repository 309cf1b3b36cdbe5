"""The documented routes, one file per family."""
