"""``python -m benchmarks``: every benchmark, in a minute or two; options are those that all of them have."""

import sys

from benchmarks import durability, hop, keys, score

for benchmark in (hop, score, durability, keys):
    benchmark.main(sys.argv[1:])
