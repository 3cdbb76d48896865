"""The nightly e-mail with the heads of the activity logs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command

from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.log_verification import current_heads, read_heads
from tenants.models import ActivityLine, Tenant, User
from tenants.services import write_activity
from tenants.tasks import publish_heads

pytestmark = pytest.mark.django_db


@pytest.fixture
def publish(django_capture_on_commit_callbacks: Any) -> Callable[[], None]:
    """Run the beat's task and the worker's."""

    def run() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            publish_heads()

    return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    moments = [datetime(2026, 11, 28, 0, 5, tzinfo=UTC)]
    monkeypatch.setattr(database_time, "now", lambda **options: moments[-1])
    return moments


def test_each_administrator_gets_one_email_a_day(
    tenant: Tenant,
    administrator: User,
    consultant: User,
    clock: list[datetime],
    publish: Callable[[], None],
    mailoutbox: list[EmailMessage],
) -> None:
    User.objects.create_user("left@gangway.test", name="L", staff_role="administrator").delete()
    User.objects.create_user(
        "off@gangway.test", name="Off", staff_role="administrator", is_active=False
    )

    for hour in (0, 1, 23):
        clock.append(datetime(2026, 11, 28, hour, 5, tzinfo=UTC))
        publish()
    first = [mail.to for mail in mailoutbox]
    clock.append(datetime(2026, 11, 29, 0, 5, tzinfo=UTC))
    publish()
    # A clock that went back sends nothing again.
    clock.append(datetime(2026, 11, 28, 23, 59, tzinfo=UTC))
    publish()

    assert first == [[administrator.email]]
    assert [mail.subject for mail in mailoutbox] == [
        "Heads of the activity logs · 2026-11-28",
        "Heads of the activity logs · 2026-11-29",
    ]
    assert len({mail.extra_headers["Message-ID"] for mail in mailoutbox}) == 2


def test_email_is_a_file_for_verify_log(
    tenant: Tenant,
    administrator: User,
    outsider: User,
    publish: Callable[[], None],
    mailoutbox: list[EmailMessage],
    tmp_path: Path,
    capsys: Any,
) -> None:
    publish()

    [mail] = mailoutbox
    file = tmp_path / "mail.txt"
    file.write_text(str(mail.body))
    assert read_heads(str(mail.body)) == current_heads()
    call_command("verify_log", "--against", str(file))
    assert capsys.readouterr().out.endswith("# 3 published heads compared\n")


def test_earlier_logs_are_registered(
    tenant: Tenant,
    administrator: User,
    outsider: User,
    clock: list[datetime],
    publish: Callable[[], None],
) -> None:
    publish()
    clock.append(datetime(2026, 11, 29, 0, 5, tzinfo=UTC))
    publish()

    [line] = ActivityLine.objects.filter(action="logs-registered")
    elsewhere = Tenant.objects.get(name="Elsewhere")
    assert set(line.params["logs"]) == {tenant.public_id, elsewhere.public_id}


def test_new_log_is_registered_at_once(django_capture_on_commit_callbacks: Any) -> None:
    tenant = Tenant.objects.create(name="New", region="eu", platform="other", directory_method="ad")
    with django_capture_on_commit_callbacks(execute=True):
        write_activity(tenant, ActivityName.TENANT_CREATED)
        write_activity(tenant, ActivityName.TENANT_CLOSED)

    lines = ActivityLine.objects.filter(action="logs-registered")
    assert [line.params for line in lines] == [{"logs": [tenant.public_id]}]
