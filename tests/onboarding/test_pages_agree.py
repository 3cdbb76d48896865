"""No page contradicts another: generated states of checks, tasks and drifts, on every page.

The expected statements come from the generated facts, and not from the functions of the product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from checks.engine.outcomes import CheckKind
from checks.expectations import sync_checks
from checks.models import Check, Observation
from onboarding.collaboration.share_links import create_share_link
from onboarding.models import Drift, Monitoring, Plan, Task
from onboarding.models.monitoring import DRIFT_OF_CHECK
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant, User
from tests.clock import frozen
from tests.cutovers import cutover_of
from tests.factories import HostRow, MakeTenant
from tests.statements import Page, statements

NOW = datetime(2026, 12, 10, 9, 0, tzinfo=UTC)
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PASSING = ("pass", "warn")


@dataclass(frozen=True)
class ShownFacts:
    """The facts of one check, as the database stores them."""

    settled: str = ""
    newest: str = ""
    was_verified: bool = False
    is_misconfigured: bool = False
    is_old: bool = False
    has_drift: bool = False
    # Muting stops e-mails only: no statement of a page changes.
    is_muted: bool = False

    @property
    def is_fault(self) -> bool:
        return self.has_drift or self.settled == "fail"

    def shape(self, kind: str) -> str:
        """The icon that every page must show."""
        if kind == "delivery_message" and self.settled == "fail":
            return "fail"
        if self.has_drift or (
            self.settled == "fail" and (self.was_verified or self.is_misconfigured)
        ):
            return "fail"
        if self.settled == "fail" or not self.newest:
            return "todo"
        is_message = kind in MESSAGES
        if self.newest == "unknown" and (not is_message or not self.settled):
            return "unknown"
        if self.is_old and not is_message:
            return "unknown"
        if not self.settled or not self.agrees(kind):
            return "waiting"
        if kind == "delivery_message" and self.settled in PASSING:
            return "supported"
        return {"pass": "pass", "warn": "caution"}.get(self.settled, "not_applicable")

    def agrees(self, kind: str) -> bool:
        if kind in MESSAGES and self.newest == "unknown":
            return True
        if self.settled in PASSING:
            return self.newest in PASSING
        return self.newest == self.settled

    def is_clear(self, kind: str) -> bool:
        """Whether the check allows an all-clear. Only a failed message prevents one."""
        if kind == "delivery_message":
            return True
        if kind == "message":
            return not self.is_fault
        return self.shape(kind) in ("pass", "caution", "not_applicable")


VERIFIED = ShownFacts("pass", "pass", was_verified=True)
STATES = (
    VERIFIED,
    ShownFacts(),
    ShownFacts("", "pass"),
    ShownFacts("", "fail"),
    ShownFacts("", "unknown"),
    ShownFacts("warn", "warn", was_verified=True),
    ShownFacts("pass", "fail", was_verified=True),
    ShownFacts("pass", "unknown", was_verified=True),
    ShownFacts("pass", "not_applicable", was_verified=True),
    ShownFacts("pass", "pass", was_verified=True, is_old=True),
    ShownFacts("fail", "fail"),
    ShownFacts("fail", "pass"),
    ShownFacts("fail", "fail", is_misconfigured=True),
    ShownFacts("fail", "unknown", is_misconfigured=True),
    ShownFacts("fail", "fail", was_verified=True, is_misconfigured=True),
    ShownFacts("fail", "unknown", was_verified=True, is_misconfigured=True, is_old=True),
    ShownFacts("fail", "fail", was_verified=True, is_misconfigured=True, has_drift=True),
    ShownFacts("fail", "unknown", was_verified=True, is_misconfigured=True, has_drift=True),
    ShownFacts("pass", "pass", was_verified=True, has_drift=True),
    ShownFacts("pass", "pass", was_verified=True, has_drift=True, is_muted=True),
    ShownFacts("not_applicable", "not_applicable"),
    ShownFacts("not_applicable", "fail"),
    ShownFacts("not_applicable", "unknown"),
)
# The stored facts of the tasks that a check can prove.
TASKS: tuple[dict[str, Any], ...] = (
    {},
    {"client_confirmed_at": NOW - DAY, "mimecast_confirmed_at": NOW - DAY},
    {"verified_at": NOW - DAY},
    {"regressed_at": NOW - HOUR},
    {"manual_status": "accepted_risk", "status_reason": "Agreed.", "accepted_until": NOW + 9 * DAY},
    {"manual_status": "declined", "status_reason": "Agreed."},
)
CORRECT = ("Correct at every", "Correct.", "gave the correct answer", "answered correctly")
# The pages of a tenant with an all-clear, if it is true.
CLEAR_PAGES = ("monitoring", "client home", "closing", "dashboard", "sign-off")
MESSAGES = ("message", "delivery_message")
SIGNING = {"consultant": "consultant", "client": "client", "manager": "consultant"}
READINESS = {"ownership": "ownership", "spf": "spf", "dkim": "dkim", "mta-sts": "mta_sts"}


@pytest.fixture
def clock() -> Iterator[None]:
    with frozen(NOW):
        yield


class World:
    """A tenant with one check of each kind, in the given state on all pages."""

    def __init__(self, tenant: Tenant, users: dict[str, User]) -> None:
        self.tenant, self.users = tenant, users
        self.clients = {role: Client() for role in users}
        for role, user in users.items():
            self.clients[role].force_login(user, backend=BACKEND)
        self.checks = list(Check.objects.filter(tenant=tenant, is_active=True))
        self.facts: dict[str, ShownFacts] = {}
        self.cutovers = [cutover_of(tenant, d, NOW + DAY) for d in ("outbound", "inbound")]
        Monitoring.objects.create(tenant=tenant, started_at=NOW - 3 * DAY, reason="cutover")

    def store(self, facts: Sequence[ShownFacts], tasks: dict[str, Any], *, is_closed: bool) -> None:
        self.facts = dict(zip((check.kind for check in self.checks), facts, strict=True))
        Drift.objects.filter(tenant=self.tenant).delete()
        for check in self.checks:
            self._store_check(check, self.facts[check.kind])
        Tenant.objects.filter(pk=self.tenant.pk).update(
            closed_at=NOW - DAY if is_closed else None,
            completed_at=NOW - DAY if is_closed else None,
        )
        rows = Task.objects.filter(plan__tenant=self.tenant)
        nothing = {"client_confirmed_at": None, "verified_at": None, "regressed_at": None}
        rows.update(manual_status="declined", mimecast_confirmed_at=None, **nothing)
        proven = [task.pk for task in rows if task.check_kinds]
        rows.filter(pk__in=proven).update(**{"manual_status": "", **tasks})
        recompute_rollup(Plan.objects.get(tenant=self.tenant))

    def _store_check(self, check: Check, facts: ShownFacts) -> None:
        at = NOW - (2 * DAY if facts.is_old else HOUR)
        latest = Observation(
            check_asked=check,
            verdict=facts.newest,
            unanimous=facts.newest != "unknown"
            and (facts.settled, facts.newest) != ("fail", "pass"),
            first_seen_at=at,
            last_seen_at=at,
        )
        if facts.newest:
            latest.save()
        Check.objects.filter(pk=check.pk).update(
            settled_verdict=facts.settled,
            settled_at=NOW - 2 * DAY if facts.settled else None,
            first_verified_at=NOW - 5 * DAY if facts.was_verified else None,
            is_misconfigured=facts.is_misconfigured,
            checked_at=at if facts.newest else None,
            latest=latest if facts.newest else None,
            signed_at=NOW if facts.settled in PASSING else None,
        )
        if self.has_drift(check.kind):
            Drift.objects.create(
                tenant=self.tenant,
                kind=DRIFT_OF_CHECK[CheckKind(check.kind)],
                subject=check.subject,
                check_asked=check,
                opened_at=NOW - DAY,
                muted_until=NOW + DAY if facts.is_muted else None,
            )

    def has_drift(self, kind: str) -> bool:
        return self.facts[kind].has_drift and CheckKind(kind) in DRIFT_OF_CHECK

    def get(self, role: str, name: str, *args: str, query: str = "") -> Page:
        address = name if name.startswith("/") else reverse(f"onboarding:{name}", args=args)
        response = self.clients[role].get(address + query)
        assert response.status_code == 200, (role, name, response.status_code)
        return statements(response.content.decode())

    @property
    def is_closed(self) -> bool:
        return Tenant.objects.get(pk=self.tenant.pk).is_closed

    # --- The pages

    def share_link(self) -> Page:
        """The page of a share link. Closing revokes the links of a tenant."""
        _, token = create_share_link(
            self.tenant.plan,
            self.tenant.domains.get(),
            recipient="DNS host",
            days=30,
            by=self.users["consultant"],
        )
        return self.get("client", reverse("onboarding:share-link", args=[token]))

    def phases(self) -> list[str]:
        rows = Task.objects.filter(plan__tenant=self.tenant, applies=True).select_related("phase")
        return list(dict.fromkeys(task.phase.key for task in rows if task.check_kinds))

    def pages_of_checks(self, role: str) -> dict[str, Page]:
        """The pages that show single checks."""
        own = self.tenant.public_id
        # In one of the worlds, the first check has each of the states.
        drawer = self.checks[0].public_id
        message = next(c.public_id for c in self.checks if c.kind == "message")
        return {
            "domains": self.get(role, "domains", own, query=f"?check={drawer}"),
            **{f"plan {key}": self.get(role, "plan-show", own, query=f"?phase={key}")
               for key in self.phases()},
            "monitoring": self.get(role, "monitoring", own),
            "test message": self.get(role, "test-message", own, message),
            **{str(each): self.get(role, "cutover-room", own, each.public_id)
               for each in self.cutovers},
        }  # fmt: skip

    def pages_of_tenant(self, role: str) -> dict[str, Page]:
        """The pages with a headline or counts."""
        own = self.tenant.public_id
        is_closed = self.is_closed
        pages = {
            "client home": self.get(role, "my-tasks", own),
            "monitoring": self.get(role, "monitoring", own),
            "closing": self.get("consultant", "offboarding", own),
            "list": self.get(
                role, "tenant-list", query="?show=closed" if is_closed else "?show=all"
            ),
        }
        if role != "client":
            query = "?show=closed" if is_closed else ""
            pages["dashboard"] = self.get(role, "dashboard", query=query)
        if not is_closed:
            pages["sign-off"] = self.get(SIGNING[role], "closing", own)
        return pages


@pytest.fixture
def world(
    clock: None, make_tenant: MakeTenant, consultant: User, manager: User, settings: Any
) -> World:
    settings.CHECKS_CONTROL_TARGET = ("control.test", 25)
    tenant = make_tenant(
        platform="on_premises",
        directory_method="ldap",
        hosts=(
            HostRow("delivery", "mail.northwind.test", 25),
            HostRow("directory", "dc.test", 636),
        ),
    )
    tenant.domains.update(dkim_selectors="mimecast20261201")
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    sync_checks(tenant)
    Drift.objects.all().delete()
    client = User.objects.create_user("client@northwind.test", "pw", name="Cli Ent")
    client.memberships.create(tenant=tenant, role="owner")
    users = {"consultant": consultant, "client": client, "manager": manager}
    return World(tenant, users)


# --- The contradictions


def contradictions(world: World, pages: dict[str, Page]) -> list[str]:
    """Every statement about a check that differs from the facts, or between two pages."""
    kinds = {check.public_id: check.kind for check in world.checks}
    found = _of_share_link(world)
    labels: dict[str, set[tuple[str, str]]] = {}
    for name, page in pages.items():
        for statement in page.checks:
            kind = kinds[statement.check]
            labels.setdefault(kind, set()).add((statement.status, statement.label))
            expected = _expected(world, kind).shape(kind)
            if statement.shape != expected:
                found.append(f"{name}: {kind} is {statement.shape}, not {expected}")
        for task in page.tasks:
            found += _of_task(world, name, task.key, task.shape)
        found += _of_text(name, page)
    found += [f"{kind}: {sorted(values)}" for kind, values in labels.items() if len(values) > 1]
    return found


def _of_share_link(world: World) -> list[str]:
    """The icons on the page without an account, which names no check."""
    if world.is_closed:
        return []
    shown = {statement.shape for statement in world.share_link().checks}
    of_domain = [check.kind for check in world.checks if check.domain_id is not None]
    expected = {_expected(world, kind).shape(kind) for kind in of_domain}
    return [f"share link: {shown - expected}"] if shown - expected or not shown else []


def _expected(world: World, kind: str) -> ShownFacts:
    facts = world.facts[kind]
    return facts if world.has_drift(kind) == facts.has_drift else _without_drift(facts)


def _without_drift(facts: ShownFacts) -> ShownFacts:
    return ShownFacts(
        facts.settled, facts.newest, facts.was_verified, facts.is_misconfigured, facts.is_old
    )


def _of_task(world: World, page: str, key: str, shape: str) -> list[str]:
    """A task with a drifted or failing subject never has the icon of a verified one."""
    task = Task.objects.get(plan__tenant=world.tenant, key=key)
    faults = [k for k in task.check_kinds if k in world.facts and _expected(world, k).is_fault]
    return [f"{page}: task {key} is {shape} with {faults}"] if faults and shape == "pass" else []


def _of_text(name: str, page: Page) -> list[str]:
    """A sentence about a correct answer without a verified check on the page."""
    praised = sum(page.text.count(sentence) for sentence in CORRECT)
    if name == "domains":
        # Only the evidence of the chosen check has sentences, and up to two.
        is_verified = page.checks[-1].shape in ("pass", "caution")
        return [f"{name}: a correct answer"] if praised and not is_verified else []
    verified = sum(statement.shape in ("pass", "caution") for statement in page.checks)
    return [f"{name}: {praised} correct answers, {verified} verified"] if praised > verified else []


def readiness_contradictions(world: World, pages: dict[str, Page]) -> list[str]:
    """The rows of the readiness that differ from the state of their check."""
    same = {"waiting": "unknown", "todo": "unknown"}
    found = []
    for cutover in world.cutovers:
        shapes = pages[str(cutover)].shapes
        for row, kind in READINESS.items():
            facts = _without_drift(world.facts[kind])
            shape = facts.shape(kind)
            # Work to do is no fault, as on the Domains page.
            failing = "todo" if shape == "todo" else "fail"
            expected = failing if facts.settled == "fail" else same.get(shape, shape)
            if shapes.get(f"ready-{row}", expected) != expected:
                found.append(f"{cutover}: {row} is {shapes[f'ready-{row}']}, not {expected}")
    return found


def headline_contradictions(world: World, pages: dict[str, Page]) -> list[str]:
    """All-clears next to a problem, missing all-clears, and wrong counts."""
    is_clear = all(_expected(world, kind).is_clear(kind) for kind in world.facts)
    is_clear = is_clear and not world.tenant.plan.tasks_regressed
    found = [
        f"{name}: {page.all_clears[0]}"
        for name, page in pages.items()
        if page.all_clears and not is_clear
    ]
    found += [
        f"{name}: no all-clear"
        for name in CLEAR_PAGES
        if is_clear and name in pages and not pages[name].all_clears
    ]
    for task in pages["client home"].tasks:
        found += _of_task(world, "client home", task.key, task.shape)
    for name in ("list", "dashboard"):
        if name in pages and _counts(pages[name]) != _expected_counts(world):
            found.append(f"{name}: {_counts(pages[name])}, not {_expected_counts(world)}")
    return found


def _counts(page: Page) -> dict[str, int]:
    """The numbers of the badges, such as `2 failing`."""
    names = ("drifted", "failing", "unknown", "contradicted")
    parts = [badge.split() for badge in page.badges]
    return {part[1]: int(part[0]) for part in parts if len(part) == 2 and part[1] in names}


def _expected_counts(world: World) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kind in world.facts:
        facts = _expected(world, kind)
        shape = facts.shape(kind)
        if kind == "delivery_message":
            continue
        if facts.has_drift:
            counts["drifted"] += 1
        elif shape == "fail":
            counts["failing"] += 1
        elif shape == "unknown" and kind != "message":
            counts["unknown"] += 1
        elif shape == "waiting" and facts.settled and kind != "message":
            counts["contradicted"] += 1
    return dict(counts)


def _facts_of(number: int, kinds: int) -> list[ShownFacts]:
    """Each check has another state, and each kind has each state in one of the worlds."""
    return [STATES[(number + 5 * kind) % len(STATES)] for kind in range(kinds)]


ROLES = ("consultant", "client", "manager")


def _check_all(world: World, number: int, role: str, *, is_closed: bool) -> list[str]:
    """The contradictions of the pages that show checks, each in another state."""
    tasks = TASKS[number % len(TASKS)]
    world.store(_facts_of(number, len(world.checks)), tasks, is_closed=is_closed)
    pages = world.pages_of_checks(role)
    return [*contradictions(world, pages), *readiness_contradictions(world, pages)]


def _check_headlines(world: World, number: int, role: str, *, is_closed: bool) -> list[str]:
    """The contradictions of the pages with headlines: one check is not verified."""
    facts = [VERIFIED] * len(world.checks)
    facts[number % len(facts)] = STATES[number]
    world.store(facts, {"verified_at": NOW - DAY}, is_closed=is_closed)
    pages = world.pages_of_tenant(role)
    world.tenant.plan.refresh_from_db()
    return headline_contradictions(world, pages)


# Each check in each state, with the roles in turn. The nightly test has all states in all roles,
# open and closed.
@pytest.mark.slow
@pytest.mark.parametrize("first", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_pages_agree_about_every_check(world: World, first: int) -> None:
    found = {
        number: _check_all(world, number, ROLES[number % 3], is_closed=number % 8 >= 4)
        for number in range(first, len(STATES), 2)
    }

    assert {number: wrong for number, wrong in found.items() if wrong} == {}


@pytest.mark.slow
def test_headlines_agree_with_every_check(world: World) -> None:
    found = {
        number: _check_headlines(world, number, ROLES[number % 3], is_closed=number % 4 > 1)
        for number in range(len(STATES))
    }

    assert {number: wrong for number, wrong in found.items() if wrong} == {}


@pytest.mark.slow
def test_muted_drift_without_check_is_no_all_clear(world: World) -> None:
    """The values of the region changed, and one cutover is left to do."""
    world.store([VERIFIED] * len(world.checks), {"verified_at": NOW - DAY}, is_closed=False)
    Task.objects.filter(plan__tenant=world.tenant, role="switches-outbound").update(
        verified_at=None, manual_status="in_progress"
    )
    recompute_rollup(Plan.objects.get(tenant=world.tenant))
    ready = world.get("manager", "dashboard").badges
    Drift.objects.create(
        tenant=world.tenant,
        kind=Drift.Kind.REGION_CHANGED,
        subject=world.tenant.region,
        opened_at=NOW - DAY,
        muted_until=NOW + DAY,
    )
    # As the service that opens a drift does.
    world.tenant.plan.touch()

    pages = world.pages_of_tenant("manager")

    assert "Ready" in ready
    assert [name for name, page in pages.items() if "Ready" in page.badges] == []
    assert [name for name, page in pages.items() if page.all_clears] == []
    assert [_counts(pages[name])["drifted"] for name in ("list", "dashboard")] == [1, 1]
    assert "1 drift since go-live" in pages["dashboard"].badges


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("is_closed", [False, True])
def test_pages_agree_in_every_role(world: World, role: str, *, is_closed: bool) -> None:
    found = {
        number: [
            *_check_all(world, number, role, is_closed=is_closed),
            *_check_headlines(world, number, role, is_closed=is_closed),
        ]
        for number in range(len(STATES))
    }

    assert {number: wrong for number, wrong in found.items() if wrong} == {}
