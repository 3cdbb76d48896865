"""Proof sources other than DNS and connections: suppliers of facts about a tenant's systems.

A source is one package here with `source.py`. It reads facts (typed, dated, with provenance and
strength), and its rules judge them. `registry.py` lists the sources, `rules.py` judges.

`exports/` reads the files that people submit. Nothing here opens a connection.
"""
