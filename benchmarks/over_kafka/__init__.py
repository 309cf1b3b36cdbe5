"""The parts of `benchmarks.kafka`: what is scored, by whom, how it is watched, and what is read back."""
