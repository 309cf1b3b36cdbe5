"""Programs that score beside the engine; each is started by itself, in an environment that has what it needs."""
