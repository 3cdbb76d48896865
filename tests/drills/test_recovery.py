"""Kill each process of the whole product, and measure the time until work is normal again.

Normal: every check that was due or claimed at the fault has run again, and a run that a person
requested has run. Lost, stuck and doubled work counts as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from redis import Redis

from tests.drills.drill import (
    NORMAL_WITHIN_SECONDS,
    RUNNING,
    TITLES,
    Drill,
)
from tests.drills.servers import HOST, Server

pytestmark = pytest.mark.slow

FAULTS: dict[str, Callable[[Drill], None]] = {
    **{name: partial(Drill.kill, name=name) for name in TITLES},
    "redis": lambda drill: drill.restart(drill.redis),
    "postgresql": lambda drill: drill.restart(drill.postgresql),
    "flushall": lambda drill: flush(drill.redis),
}
IN_CI = ("checks-worker",)


def flush(server: Server) -> None:
    Redis(HOST, server.port).flushall()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in IN_CI else pytest.mark.nightly) for name in FAULTS],
)
def test_work_is_normal_soon(drill: Drill, name: str) -> None:
    claimed = drill.wait_for_claim(RUNNING)
    due = drill.ids(f"{RUNNING} AND next_due_at <= now()")
    fault_at = drill.query("SELECT clock_timestamp()")[0][0]

    FAULTS[name](drill)

    seconds = drill.seconds_until_run([*claimed, *due], fault_at, NORMAL_WITHIN_SECONDS)
    assert drill.product.process is not None
    assert drill.product.process.poll() is None
    assert drill.doubled() == 0
    print(f"{name}: normal after {seconds:.1f} s")  # noqa: T201
