"""The stream process on a real port: events, permissions, the end of streams, faults."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from onboarding.collaboration.share_links import create_share_link, revoke
from onboarding.models import Plan
from tenants.models import Membership, Tenant, User
from tenants.services import end_sessions
from tests.drills.servers import own_redis
from tests.factories import MakeTenant, task_of
from tests.live import HOST, EventStream, LiveProcess

pytestmark = [pytest.mark.interop, pytest.mark.django_db(transaction=True)]
ENDS_WITHIN_SECONDS = 10
needs_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
)


def _stream_of(tenant: Tenant) -> str:
    return reverse("onboarding:revision-stream", args=[tenant.public_id])


def _revision(tenant: Tenant) -> str:
    return str(Plan.objects.get(tenant=tenant).revision)


@pytest.fixture
def opened(live_process: LiveProcess, tenant: Tenant, viewer: User) -> Iterator[EventStream]:
    stream = live_process.open(viewer, _stream_of(tenant))
    assert stream.status == 200, live_process.log.read_text()
    assert stream.next_revision() == _revision(tenant)
    yield stream
    stream.close()


def test_change_arrives_within_a_second(opened: EventStream, tenant: Tenant) -> None:
    tenant.plan.touch()
    began = time.monotonic()

    assert opened.next_revision() == _revision(tenant)
    assert time.monotonic() - began < 1


def test_rolled_back_change_sends_nothing(opened: EventStream, tenant: Tenant) -> None:
    with transaction.atomic():
        tenant.plan.touch()
        transaction.set_rollback(True)

    assert opened.has_no_revision(2)


def test_stream_is_not_buffered_or_stored(opened: EventStream) -> None:
    assert opened.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert opened.headers["X-Accel-Buffering"] == "no"
    assert "no-store" in opened.headers["Cache-Control"]


def test_last_event_id_of_current_page(
    live_process: LiveProcess, tenant: Tenant, viewer: User
) -> None:
    known = {"Last-Event-ID": _revision(tenant)}
    with_id = live_process.open(viewer, _stream_of(tenant), **known)

    assert with_id.has_no_revision(1)
    tenant.plan.touch()
    assert with_id.next_revision() == _revision(tenant)


def test_strangers_get_no_stream(live_process: LiveProcess, tenant: Tenant, outsider: User) -> None:
    assert live_process.open(outsider, _stream_of(tenant)).status == 404
    assert live_process.open(None, _stream_of(tenant)).status == 302


def test_change_of_other_tenant_stays_unknown(opened: EventStream, make_tenant: MakeTenant) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))

    other.plan.touch()

    assert opened.has_no_revision(2)


def _end_session(tenant: Tenant, viewer: User) -> None:
    Session.objects.all().delete()


def _expire_session(tenant: Tenant, viewer: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def _remove_member(tenant: Tenant, viewer: User) -> None:
    Membership.objects.filter(user=viewer).delete()


def _deactivate(tenant: Tenant, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)


def _end_all_sessions(tenant: Tenant, viewer: User) -> None:
    end_sessions(viewer)


@pytest.mark.parametrize(
    "end", [_end_session, _expire_session, _remove_member, _deactivate, _end_all_sessions]
)
def test_stream_ends_with_the_permission(
    opened: EventStream, tenant: Tenant, viewer: User, end: Callable[[Tenant, User], None]
) -> None:
    end(tenant, viewer)

    assert opened.ended.wait(ENDS_WITHIN_SECONDS)


def test_stream_survives_another_role(opened: EventStream, tenant: Tenant, viewer: User) -> None:
    Membership.objects.filter(user=viewer).update(role="owner")

    assert not opened.ended.wait(ENDS_WITHIN_SECONDS)
    tenant.plan.touch()
    assert opened.next_revision() == _revision(tenant)


def test_manager_loses_tenants_of_others(
    live_process: LiveProcess, tenant: Tenant, manager: User, consultant: User
) -> None:
    stream = live_process.open(manager, _stream_of(tenant))
    stream.next_revision()

    manager.followed_consultants.add(consultant)

    assert stream.ended.wait(ENDS_WITHIN_SECONDS)


def test_share_link_stream_ends_with_link(
    live_process: LiveProcess, tenant: Tenant, owner: User
) -> None:
    task = task_of(tenant, "domain-ownership")
    link, token = create_share_link(tenant.plan, task, recipient="DNS", days=1, by=owner)
    page = reverse("onboarding:share-link-revision", args=[token])
    stream = live_process.open(None, f"/live{page}")
    assert stream.next_revision() == "0-0-0-0"

    revoke(link, by=owner)
    tenant.plan.touch()

    assert stream.ended.wait(ENDS_WITHIN_SECONDS)
    assert live_process.open(None, f"/live{page}").status == 404


def test_request_waits_for_a_change(
    live_process: LiveProcess, tenant: Tenant, viewer: User, outsider: User
) -> None:
    seen = _revision(tenant)
    address = f"{_stream_of(tenant)}?wait=20&revision={seen}"
    later = threading.Timer(1.5, Plan.objects.get(tenant=tenant).touch)
    began = time.monotonic()
    later.start()
    changed = live_process.read(viewer, address)
    seconds = time.monotonic() - began
    later.join()

    assert changed == (200, _revision(tenant))
    assert 1.4 < seconds < 2.6
    assert live_process.read(viewer, address) == changed
    assert live_process.read(outsider, address)[0] == 404


def test_wait_ends_after_its_time(live_process: LiveProcess, tenant: Tenant, viewer: User) -> None:
    seen = _revision(tenant)
    began = time.monotonic()

    answer = live_process.read(viewer, f"{_stream_of(tenant)}?wait=2&revision={seen}")

    assert answer == (200, seen)
    assert 1.9 < time.monotonic() - began < 4


def test_list_of_tenants_changes(
    live_process: LiveProcess, tenant: Tenant, consultant: User
) -> None:
    stream = live_process.open(consultant, reverse("onboarding:portfolio-revision-stream"))
    before = stream.next_revision()

    tenant.plan.touch()

    assert stream.next_revision(15) != before


def test_pages_have_no_address_here(live_process: LiveProcess, consultant: User) -> None:
    assert live_process.open(consultant, reverse("onboarding:home")).status == 404
    assert live_process.open(None, reverse("health")).status == 200


@pytest.fixture
def small(live_server: object, tmp_path: Path) -> Iterator[LiveProcess]:
    limits = {"LIVE_MAX_STREAMS": "3", "LIVE_MAX_STREAMS_PER_PERSON": "2"}
    started = LiveProcess(tmp_path / "live.log", **limits)
    started.start()
    yield started
    started.close()


def test_streams_are_limited(
    small: LiveProcess, tenant: Tenant, viewer: User, owner: User, member: User
) -> None:
    address = _stream_of(tenant)
    first, second, third = (small.open(viewer, address) for _ in range(3))
    other, last = small.open(owner, address), small.open(member, address)

    assert [each.status for each in (first, second, third)] == [200, 200, 429]
    assert (other.status, last.status, last.headers["Retry-After"]) == (200, 503, "30")
    first.close()
    time.sleep(0.5)
    assert small.open(member, address).status == 200


def test_restarted_process_sends_the_missed_change(
    opened: EventStream, live_process: LiveProcess, tenant: Tenant, viewer: User
) -> None:
    seen = _revision(tenant)
    live_process.kill()
    assert opened.ended.wait(5)

    tenant.plan.touch()
    live_process.start()

    again = live_process.open(viewer, _stream_of(tenant), **{"Last-Event-ID": seen})
    assert again.next_revision() == _revision(tenant)


@needs_postgresql
def test_lost_notifications_are_compared(opened: EventStream, tenant: Tenant) -> None:
    """The server ends every other connection; the changes before and after it arrive."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        assert cursor.fetchone()[0] == 1
    tenant.plan.touch()

    assert opened.next_revision(8) == _revision(tenant)
    time.sleep(2)
    tenant.plan.touch()
    began = time.monotonic()
    assert opened.next_revision() == _revision(tenant)
    assert time.monotonic() - began < 1


@needs_postgresql
def test_change_without_trigger_is_found(opened: EventStream, tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE onboarding_plan DISABLE TRIGGER plan_revision_is_sent")
        try:
            tenant.plan.touch()

            assert opened.next_revision(8) == _revision(tenant)
        finally:
            cursor.execute("ALTER TABLE onboarding_plan ENABLE TRIGGER plan_revision_is_sent")


def test_streams_survive_redis(
    live_server: object, tenant: Tenant, viewer: User, tmp_path: Path
) -> None:
    with own_redis(tmp_path) as redis:
        process = LiveProcess(tmp_path / "live.log", REDIS_URL=f"redis://{HOST}:{redis.port}/1")
        process.start()
        try:
            stream = process.open(viewer, _stream_of(tenant))
            stream.next_revision()
            redis.kill()

            tenant.plan.touch()
            assert stream.next_revision(3) == _revision(tenant)
            assert process.open(viewer, _stream_of(tenant)).status == 200

            redis.start()
            tenant.plan.touch()
            assert stream.next_revision(3) == _revision(tenant)
        finally:
            process.close()


def _connections(port: int) -> int:
    """The established connections of the process, as the kernel counts them."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [row.split() for row in rows]
    return sum(
        local.endswith(f":{port:04X}") and state == "01" for _, local, _, state, *_ in fields
    )


def test_slow_reader_is_dropped(
    live_process: LiveProcess, opened: EventStream, tenant: Tenant, viewer: User
) -> None:
    """A reader with a small buffer that accepts nothing: Linux ends its connection."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    slow.connect((HOST, live_process.port))
    cookie = live_process.cookie_of(viewer)
    lines = (f"GET {_stream_of(tenant)} HTTP/1.1", f"Host: {HOST}", f"Cookie: {cookie}", "", "")
    slow.sendall("\r\n".join(lines).encode())
    time.sleep(1)
    before = _connections(live_process.port)

    until = time.monotonic() + 50
    while _connections(live_process.port) == before and time.monotonic() < until:
        for _ in range(20):
            tenant.plan.touch()
            time.sleep(0.01)

    assert _connections(live_process.port) == before - 1
    tenant.plan.touch()
    time.sleep(0.5)
    assert opened.next_revision() != ""
    slow.close()
