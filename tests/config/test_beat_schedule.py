"""The schedule of beat survives restarts."""

from __future__ import annotations

from datetime import timedelta

from config.beat_schedule import beat_schedule


def test_no_interval_is_longer_than_an_hour() -> None:
    """Beat starts with empty times in a container, so that a daily task could never be due."""
    entries = beat_schedule(tick_seconds=20)

    every = {name: entry["schedule"] for name, entry in entries.items()}
    seconds = {n: e.total_seconds() if isinstance(e, timedelta) else e for n, e in every.items()}

    assert {name: each for name, each in seconds.items() if each > 3600} == {}
