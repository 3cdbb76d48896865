"""From a record in the lab to a verified task, on PostgreSQL and Redis.

`tests/config/test_end_to_end.py` has the same on SQLite and the embedded broker.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.config.record_to_task import (
    DOMAIN,
    FIRST_WITHIN_SECONDS,
    NEW_SPF,
    STATUS,
    WITHIN_SECONDS,
)
from tests.drills.drill import Drill

pytestmark = pytest.mark.slow


@pytest.fixture
def lab_drill(drill: Drill) -> Iterator[Drill]:
    """The product after its first runs. Its name servers answer again at the end."""
    _becomes(drill, "domain-ownership", "verified", within=FIRST_WITHIN_SECONDS)
    yield drill
    drill.manage("lab", "restore")


def _status_of(drill: Drill, key: str) -> str:
    return str(drill.query(STATUS.format(key=key))[0][0])


def _becomes(drill: Drill, key: str, status: str, *, within: float = WITHIN_SECONDS) -> float:
    """Seconds until the task is in the status; the test fails when it takes too long."""
    began = time.monotonic()
    drill.wait_until(lambda: _status_of(drill, key) == status, within)
    return time.monotonic() - began


def test_task_follows_dns(lab_drill: Drill) -> None:
    assert _status_of(lab_drill, "spf-update") == "todo"

    lab_drill.manage("lab", "publish", DOMAIN, "TXT", NEW_SPF, "--instead")
    verified = _becomes(lab_drill, "spf-update", "verified")

    lab_drill.manage("lab", "withdraw", DOMAIN, "TXT", NEW_SPF)
    regressed = _becomes(lab_drill, "spf-update", "regressed")

    print(f"published to verified {verified:.1f} s, withdrawn to regressed {regressed:.1f} s")  # noqa: T201


def test_silent_name_server_reopens_nothing(lab_drill: Drill) -> None:
    lab_drill.manage("lab", "silence", "2")
    time.sleep(25)

    assert _status_of(lab_drill, "domain-ownership") == "verified"
