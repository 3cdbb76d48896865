"""The distribution of the tests over two processes, for `--dist loadgroup`.

A module whose fixture starts the product, or upgrades a database, runs in one process: in two, the
fixture would run twice. So do the modules of `tests/interop`. Those whose servers share addresses
run in one process, and those that share one stream process. All other tests are distributed one at
a time. The groups of pytest-xdist 3.8 have no effect with pytest 9.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/config/test_end_to_end.py",
    "tests/config/test_run.py",
    "tests/config/test_web_worker.py",
    "tests/drills/",
    "tests/test_glossary_migrations.py",
)
# The tests with real servers, and the modules among them that share something.
WITH_SERVERS = ("tests/interop/", "tests/scenarios/test_concurrency.py")
SHARED = {
    "addresses": (
        "tests/interop/test_addresses.py",
        "tests/interop/test_bench.py",
        "tests/interop/test_bench_parts.py",
        "tests/interop/test_dnssec.py",
        "tests/interop/test_hosts.py",
        "tests/interop/test_letter_case.py",
        "tests/interop/test_mta_sts.py",
        "tests/interop/test_name_servers.py",
        "tests/interop/test_vantages.py",
        "tests/interop/test_zone_borders.py",
    ),
    "live": ("tests/interop/test_live_process.py", "tests/interop/test_waiting_requests.py"),
}


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist is untyped
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """The tests of one scope run in one process, one after the other."""
    module = nodeid.partition("::")[0]
    shared = next((name for name, modules in SHARED.items() if module in modules), "")
    if shared or module.startswith(WITH_SERVERS):
        return shared or module
    return next((each for each in TOGETHER if module.startswith(each)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
