"""Packets to the database are dropped: pages answer 503 soon, and work is normal afterwards."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drills.drill import NORMAL_WITHIN_SECONDS, RUNNING
from tests.drills.network import SERVER_ADDRESS, separate_network
from tests.drills.servers import own_postgresql
from tests.drills.start import started
from tests.drills.visitor import Answer, Visitor, visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

ANSWER_WITHIN_SECONDS = 3.0
PATHS = ("/", "/accounts/login/", "/tenants/")
CUT_SECONDS = 15


def _ask(visitor: Visitor) -> list[Answer]:
    return [visitor.get(path) for path in PATHS]


def test_black_hole_is_a_503_soon(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drill")
    with (
        separate_network() as network,
        own_postgresql(folder, host=SERVER_ADDRESS, prefix=network.prefix) as postgresql,
        started(folder, postgresql=postgresql) as drill,
    ):
        people = visitors(drill, "consultant@gangway.test") * 4
        _ask(people[0])
        cut_at = drill.query("SELECT clock_timestamp()")[0][0]
        network.drop_packets()
        until = time.monotonic() + CUT_SECONDS
        answers: list[Answer] = []
        with ThreadPoolExecutor(len(people)) as pool:
            while time.monotonic() < until:
                for found in pool.map(_ask, people):
                    answers += found
        network.forward_packets()
        due = drill.ids(f"{RUNNING} AND next_due_at <= now()")
        seconds = drill.seconds_until_run(due, cut_at, CUT_SECONDS + NORMAL_WITHIN_SECONDS)
        back = _ask(people[0])

    slowest = max(answer.seconds for answer in answers)
    print(  # noqa: T201
        f"{len(answers)} pages, slowest {slowest:.2f} s; normal {seconds - CUT_SECONDS:.1f} s after"
        " the packets were forwarded again"
    )
    failed = [answer for answer in answers if answer.status != 200]
    assert len(failed) >= len(people)
    assert {(a.status, a.headers.get("Retry-After")) for a in failed} == {(503, "10")}
    assert all("The database does not answer." in answer.text for answer in failed)
    assert slowest <= ANSWER_WITHIN_SECONDS
    assert [answer.status for answer in back] == [302, 302, 200]
