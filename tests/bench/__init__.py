"""Benchmark of the engine, as ratios within one run: `python -m tests.bench`, or `make bench`."""
