"""Fixtures of all tests: no network beyond loopback. CI fails on skipped tests."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError
from django.test import client as test_client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from whitenoise.middleware import WhiteNoiseMiddleware

from onboarding.plan_templates.registry import register_builtin_templates
from onboarding.plans import revision_trigger
from tenants import append_only, database_time, event_counts, notification_trigger
from tests.clock import Clock, at, frozen

_as_sql = SQLCompiler.as_sql


def _as_sql_with_transaction(compiler: SQLCompiler, *args: Any, **options: Any) -> Any:
    """Refuse a lock outside a transaction on SQLite too, which has no row locks and ignores it."""
    if compiler.query.select_for_update and compiler.connection.get_autocommit():
        raise TransactionManagementError(
            "select_for_update cannot be used outside of a transaction."
        )
    return _as_sql(compiler, *args, **options)


SQLCompiler.as_sql = _as_sql_with_transaction  # type: ignore[assignment, method-assign]

pytest_plugins = [
    "tests.database_flush",
    "tests.factories",
    "tests.live",
    "tests.proposals",
    "tests.readable_findings",
    "tests.scheduling",
    "tests.slow_tests",
    "tests.scenarios.fixtures",
]

# A busy machine delays single examples. test_bounded_time.py limits the time of the parsers.
hypothesis_settings.register_profile("gangway", deadline=None)
hypothesis_settings.load_profile("gangway")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_sendto = socket.socket.sendto
_getaddrinfo = socket.getaddrinfo


class NetworkBlockedError(OSError):
    """A test tried to leave this machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refuse-skips", action="store_true", help="fail the run if a test is skipped, as in CI"
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--refuse-skips") and terminalreporter.stats.get("skipped"):
        terminalreporter.section("skipped tests fail this run", red=True, bold=True)
        for report in terminalreporter.stats["skipped"]:
            terminalreporter.line(f"{report.nodeid}: {_reason(report)}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    has_skips = reporter is not None and bool(reporter.stats.get("skipped"))
    if session.config.getoption("--refuse-skips") and has_skips and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_finish() -> None:
    """Exclude imported objects from garbage collection, which otherwise costs a fifth of a run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _reason(report: Any) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


def _refuse_beyond_loopback(address: object) -> None:
    """Allow Unix sockets and loopback. A name other than localhost needs DNS, so it is refused."""
    if not isinstance(address, tuple):
        return
    host = str(address[0])
    if host in ("localhost", "", "0.0.0.0", "::"):
        return
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise NetworkBlockedError(f"a test must not connect to {host}")


def _guarded_getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    if host is not None:
        _refuse_beyond_loopback((host.decode() if isinstance(host, bytes) else host,))
    return _getaddrinfo(host, *args, **options)


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _refuse_beyond_loopback(address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _refuse_beyond_loopback(address)
    return _connect_ex(self, address)


def _guarded_sendto(self: socket.socket, *args: Any) -> int:
    _refuse_beyond_loopback(args[-1])
    return _sendto(self, *args)


@pytest.fixture(scope="session", autouse=True)
def block_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guarded_connect)
        patch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", _guarded_sendto)
        patch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Store the database in a file if a test runs the live server, whose threads share it.

    Connections to SQLite in memory share one cache: a concurrent access raises "database table is
    locked" immediately, without the timeout that the settings configure.
    """
    has_live_server = any(
        "live_server" in getattr(item, "fixturenames", ()) for item in request.session.items
    )
    if connection.vendor == "sqlite" and has_live_server:
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(path)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The built-in plan templates and the triggers exist from the start, as in every installation.

    The unit tests create the tables from the models (--no-migrations), without the triggers.
    """
    with django_db_blocker.unblock():
        append_only.switch_on(connection)
        revision_trigger.switch_on(connection)
        notification_trigger.switch_on(connection)
        register_builtin_templates()


@pytest.fixture(autouse=True)
def activity_log_is_append_only(request: pytest.FixtureRequest) -> Iterator[None]:
    """Disable the triggers only while a test with commits empties the tables at its end."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    if not commits and not {"transactional_db", "live_server"} & set(request.fixturenames):
        yield
        return
    request.getfixturevalue("transactional_db")
    append_only.switch_on(connection)
    yield
    append_only.switch_off(connection)


@pytest.fixture(scope="session", autouse=True)
def store_page_context_only() -> Iterator[None]:
    """Store the context of the page only.

    Django's test client copies the context of every included component, which no test reads, and
    which costs a tenth of a run.
    """
    name = "store_rendered_templates"
    store = getattr(test_client, name)

    def store_first(stored: dict[str, Any], *args: Any, **options: Any) -> None:
        if "context" not in stored:
            store(stored, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_client, name, store_first)
        yield


@pytest.fixture(scope="session", autouse=True)
def list_static_files_once() -> Iterator[None]:
    """List the static files once in each process of the test run.

    Each client of a test loads the middleware again, which would search the folders of all apps.
    That costs 20 ms, as much as an average test.
    """
    found: dict[str, Any] = {}
    search = WhiteNoiseMiddleware.add_files_from_finders

    def add_found(middleware: Any) -> None:
        if not found:
            search(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_found)
        yield


@pytest.fixture(autouse=True)
def reset_rate_limits() -> None:
    """Clear the rate limits: a user of the next test can have the same primary key.

    Events that an earlier test counted are stored at the end of a request.
    """
    cache.clear()
    event_counts.discard()


@pytest.fixture(autouse=True)
def forget_database_time() -> None:
    """Measure the database's time in each test again.

    Otherwise a pure function that asks for it fails only in a test after the 30 seconds.
    """
    database_time.forget()


@pytest.fixture
def frozen_time() -> Iterator[Clock]:
    """For tests that reach a rate limit: no minute ends during the test on a slow machine."""
    with frozen(timezone.now()) as clock:
        yield clock


@pytest.fixture
def fixed_monday() -> Iterator[Clock]:
    """For tests with dates: the time is 30 November 2026, 08:00 UTC."""
    with frozen(at("Mon 08:00")) as clock:
        yield clock


@pytest.fixture
def without_eager_errors() -> Iterator[None]:
    """A Celery task that raises fails alone, as in a worker, and not in the code that queued it."""
    current_app.conf.task_eager_propagates = False
    yield
    current_app.conf.task_eager_propagates = True


@pytest.fixture
def immediate_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a message of the outbox at once. The transaction of a test never commits."""

    def call(publish: Callable[[], Any], *, robust: bool = False) -> None:
        publish()

    monkeypatch.setattr("tenants.outbox.transaction.on_commit", call)
