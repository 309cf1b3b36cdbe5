"""The demonstration: real prices from nothing to scores, and the training of the model that scores them.

It stands outside of the package and uses the engine by its commands, as anyone else does.
"""
