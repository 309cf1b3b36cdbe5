"""The testbed: real servers for tests, demos and benchmarks, started here and stopped again. Not part of the engine."""
