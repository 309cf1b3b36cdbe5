"""``python -m benchmarks``: every benchmark, in under five minutes."""

from benchmarks import hop, score

hop.main([])
score.main([])
