"""How fast the engine is, as ratios of one run: `python -m tests.bench`, or `make bench`."""
