"""Images of models: the folder that one is built from, and the programs that build it.

Nothing is imported here: a health check runs every few seconds.
"""
