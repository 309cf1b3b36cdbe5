"""``python -m benchmarks``: every benchmark, in a minute or two; options are those that all of them have."""

import sys

from benchmarks import hop, score

for benchmark in (hop, score):
    benchmark.main(sys.argv[1:])
