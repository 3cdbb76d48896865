"""Redis is down: pages and actions work, and their e-mails leave once when it is back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from tests.drills.drill import NORMAL_WITHIN_SECONDS, Drill
from tests.drills.servers import Server
from tests.drills.visitor import Answer, Visitor, address_of, visitors

pytestmark = pytest.mark.slow

CLIENT, PASSWORD = "client@northwind.test", "gangway-on-loopback"
CONSULTANT = "consultant@gangway.test"
# A request tries the broker once, and its process not again for five seconds.
ANSWER_WITHIN_SECONDS = 3.0
# A second copy would follow within the lease of the first.
QUIET_SECONDS = 10


def _ids(drill: Drill) -> tuple[str, str, str]:
    """The public ids of a tenant, one of its tasks and its primary domain."""
    return drill.query(
        "SELECT t.public_id, task.public_id, d.public_id FROM tenants_tenant t"
        " JOIN onboarding_plan p ON p.tenant_id = t.id"
        " JOIN onboarding_task task ON task.plan_id = p.id AND task.key = 'domain-ownership'"
        " JOIN tenants_domain d ON d.tenant_id = t.id AND d.role = 'primary'"
        " WHERE t.name = 'Northwind Traders'"
    )[0]


def _act(drill: Drill, client: Visitor, consultant: Visitor, invited: str) -> dict[str, Answer]:
    tenant, task, domain = _ids(drill)
    stranger = Visitor(address_of(drill))
    base = f"/t/{tenant}"
    return {
        "page": client.get(f"{base}/"),
        "sign-in page": stranger.get("/accounts/login/"),
        "sign-in": stranger.post("/accounts/login/", login=CLIENT, password=PASSWORD),
        "sign-in by code": Visitor(address_of(drill)).post(
            "/accounts/login/code/", email=f"code-{invited}"
        ),
        "invitation": client.post(f"{base}/people/invite/", email=invited, role="viewer"),
        "comment": client.post(f"{base}/tasks/{task}/comments/", body="Redis is down"),
        "share link": client.post(
            f"{base}/tasks/{task}/share/", recipient="DNS team", days="7", language="en"
        ),
        "check now": client.post(f"{base}/tasks/{task}/run/"),
        "DNS scan": consultant.post(f"{base}/domains/{domain}/dns-scan/"),
    }


@pytest.mark.parametrize(
    ("down", "up", "invited"),
    [
        (Server.kill, Server.start, "killed@outside.test"),
        pytest.param(Server.pause, Server.resume, "paused@outside.test", marks=pytest.mark.nightly),
    ],
    ids=["killed", "paused"],
)
def test_actions_work_and_emails_leave_once(
    drill: Drill, down: Callable[[Server], None], up: Callable[[Server], None], invited: str
) -> None:
    client, consultant = visitors(drill, CLIENT, CONSULTANT)
    drill.mail.hangs = False
    down(drill.redis)
    before = drill.query("SELECT clock_timestamp()")[0][0]

    answers = _act(drill, client, consultant, invited)

    print({n: (a.status, round(a.seconds, 2)) for n, a in answers.items()})  # noqa: T201
    assert {name: a.status for name, a in answers.items() if a.status >= 400} == {}
    slow = {name: a.seconds for name, a in answers.items() if a.seconds > ANSWER_WITHIN_SECONDS}
    assert slow == {}
    link = re.findall(r"/h/[^/\"<\s]+/", answers["share link"].text)[0]
    assert Visitor(address_of(drill)).get(link).status == 200
    assert drill.mail.sent_to(invited) == []
    # The collected e-mail of notifications is due five minutes later.
    waiting = (
        "SELECT kind FROM tenants_outboxmessage"
        " WHERE sent_at IS NULL AND ended_at IS NULL AND kind <> 'notifications'"
    )
    assert sorted(drill.query(waiting)) == [("email",), ("invitation",), ("task",)]

    up(drill.redis)

    back = time.monotonic()
    while drill.query(waiting):
        assert time.monotonic() < back + NORMAL_WITHIN_SECONDS, drill.logs()
        time.sleep(0.2)
    print(f"outbox empty {time.monotonic() - back:.1f} s after Redis is back")  # noqa: T201
    scanned = "SELECT count(*) FROM checks_discovery WHERE checked_at > %s"
    assert drill.query(scanned, before)[0][0] == 1
    time.sleep(QUIET_SECONDS)
    assert len(drill.mail.sent_to(invited)) == 1
    assert len(drill.mail.sent_to(f"code-{invited}")) == 1
    assert drill.mail.copies() == 0
    counted = "SELECT number FROM tenants_eventcount WHERE name = 'rate-limit-in-process'"
    assert drill.query(counted)[0][0] > 0
