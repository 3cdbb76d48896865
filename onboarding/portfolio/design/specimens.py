"""The components of templates/components/, each with the contexts of its states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.core.paginator import Paginator

from onboarding.lifecycle.delivery_hosts import DeliveryHostProposal
from onboarding.models import Drift
from onboarding.plans.current_state import CurrentState, SubjectStatus, TenantState
from onboarding.plans.early_lockdown import EarlyLockdown
from onboarding.plans.records_to_publish import RecordToPublish
from onboarding.plans.rows import Shape
from onboarding.portfolio.design.sample_objects import (
    ID,
    SampleForm,
    SamplePasswordForm,
    people,
    sample_comment,
    sample_domain,
    sample_sheet,
    sample_task,
    sample_tenant,
)
from tenants.glossary import find

# These surround every page, also the design page itself.
AROUND_EACH_PAGE = ("logo", "shortcuts", "topbar", "user_menu")

States = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Specimen:
    """One component with its states: a label and the context of each."""

    component: str
    states: Mapping[str, Mapping[str, Any]]

    @property
    def template(self) -> str:
        return f"components/{self.component}.html"


def specimens(now: datetime) -> list[Specimen]:
    """Every component that does not surround each page, in alphabetical order."""
    parts = (
        *(_verdicts(), _tasks(now), _people(now), _records(), _messages()),
        *(_hosts(now), _forms(), _tenants(now)),
    )
    found = [Specimen(name, states) for part in parts for name, states in part]
    return sorted(found, key=lambda specimen: specimen.component)


def _verdicts() -> Iterator[tuple[str, States]]:
    shapes = {shape.value.replace("_", " "): {"shape": shape.value} for shape in Shape}
    yield "verdict", shapes
    yield "badge", {name: each | {"text": name.capitalize()} for name, each in shapes.items()}
    yield (
        "subject_state",
        {
            CurrentState(status).label: {"state": CurrentState(status), "check": {"public_id": ID}}
            for status in SubjectStatus
        },
    )
    rows = [{"shape": shape.value} for shape in Shape]
    yield (
        "progress",
        {
            "full": {"rows": rows, "label": "Tasks, full"},
            "short": {"rows": rows, "label": "Tasks, short", "size": "short"},
        },
    )
    phases = [_phase("Outbound", 3, 1, 1), _phase("Inbound", 3, 3), _phase("Closure", 3, 1)]
    yield "phase_progress", {"phases": {"phases": [*phases, _phase("Training", 1, 0)]}}
    yield "chevron", {"closed": {}}


def _phase(title: str, total: int, complete: int, regressed: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        title=title, tasks_total=total, tasks_complete=complete, tasks_regressed=regressed
    )


def _tasks(now: datetime) -> Iterator[tuple[str, States]]:
    today = now.date()
    yield (
        "due",
        {
            "ahead": {"day": today + timedelta(days=3), "today": today},
            "late": {"day": today - timedelta(days=3), "today": today},
            "without a date": {"day": None, "today": today},
        },
    )
    yield "side", {side: {"side": side} for side in ("mimecast", "client", "both")}
    task = sample_task()
    yield "task_title", {"in plain words": {"task": task}, "article": {"task": {"heading": "SPF"}}}
    tenant, client = sample_tenant(now), people()[1]
    comments = {
        "comment": sample_comment(now),
        "internal note": sample_comment(now, is_internal=True),
        "open question": sample_comment(now, is_open_question=True, asked_side="client"),
        "answered question": sample_comment(now, asked_side="mimecast", answered_at=now),
        "deleted": sample_comment(now, deleted_at=now, author=None),
    }
    shared = {"task": task, "tenant": tenant, "side": "client", "may_comment": True}
    reader = {"reader": client}
    yield "comment", {name: {"comment": each} | shared | reader for name, each in comments.items()}
    yield "task_comments", {"with a comment": {"comments": [comments["comment"]]} | shared | reader}
    days = {"days": (7, 14, 30)}
    yield "share_link_form", {"folded": {"task": task, "tenant": tenant} | days}
    yield "share_link_fields", {"form": {"key": "design"} | days}
    yield "tour_offer", {"offered": {"is_offered": True}}
    yield "sign_offs", {"one side": {"sheet": sample_sheet(now)}}


def _people(now: datetime) -> Iterator[tuple[str, States]]:
    consultant, client = people()
    yield (
        "avatar",
        {
            "Mimecast": {"person": consultant},
            "client": {"person": client},
            "large": {"person": consultant, "size": "large"},
        },
    )
    yield (
        "token_state",
        {
            "works": {"token": {"revoked_at": None, "is_expired": False}},
            "expired": {"token": {"revoked_at": None, "is_expired": True}},
            "revoked": {"token": {"revoked_at": now}},
        },
    )


def _records() -> Iterator[tuple[str, States]]:
    record = RecordToPublish("northwind.test", "TXT", "selector._domainkey", "v=DKIM1; p=MIIB")
    yield (
        "dns_record",
        {
            "new": {"record": record},
            "replaces": {
                "record": RecordToPublish(
                    "northwind.test",
                    "MX",
                    "@",
                    "10 us-smtp-inbound-1.mimecast.test.",
                    ttl=300,
                    replaces="10 mail.northwind.test.",
                    note="Only the TTL changes.",
                )
            },
        },
    )


def _messages() -> Iterator[tuple[str, States]]:
    yield "drift_description", {label: {"kind": kind} for kind, label in Drift.Kind.choices}
    facts = [
        {"name": name, "verdict": verdict, "rests_on": "proof"}
        for name in ("signature", "age", "path", "spf", "dmarc")
        for verdict in ("pass", "fail", "unknown")
    ]
    evidence = {
        "facts": facts,
        "spf": {"result": "pass", "sender": "northwind.test"},
        "headers": [{"name": "From", "value": "jo@northwind.test"}],
    }
    yield "test_message_facts", {"every fact": {"evidence": evidence}}
    each_fact = {
        f"{each['name']}, {each['verdict']}": {"fact": each, "evidence": evidence} for each in facts
    }
    yield "test_message_fact", each_fact
    hops = [
        {"address": "192.0.2.1", "helo": "mx.mimecast.test", "by": "a.test", "is_entry": True},
        {"address": "192.0.2.2", "by": "b.test", "is_inside": True},
        {"address": "192.0.2.3", "by": "c.test"},
    ]
    yield (
        "received_message_hops",
        {"lines": {"evidence": {"hops": hops, "system": "Microsoft 365"}}},
    )


def _hosts(now: datetime) -> Iterator[tuple[str, States]]:
    tenant = sample_tenant(now)
    proposal = DeliveryHostProposal(
        "northwind.test", "northwind-test.mail.test", 25, "Microsoft 365", is_from_dns=True
    )
    yield (
        "delivery_host_proposal",
        {"to confirm": {"proposal": proposal, "tenant": tenant, "may_confirm": True}},
    )
    early = EarlyLockdown(("mail.northwind.test",), now + timedelta(hours=5))
    yield "early_lockdown", {"with a safe time": {"early": early, "tenant": tenant}}
    value = {"text": "MC-TOKEN-1", "label": "Proposed by Jo Lindqvist", "at": now}
    row = {
        "title": "ownership code",
        "kind": "ownership",
        "subject": sample_domain(tenant),
        "proposal": value | {"fingerprint": ID},
        "current": "MC-TOKEN-0",
    }
    yield (
        "proposal_list",
        {
            "to decide": {"proposals": [row], "may_decide": True, "tenant": tenant},
            "to read": {"proposals": [row], "may_decide": False, "tenant": tenant},
        },
    )
    yield "duplicate_domains", {"in another tenant": {"found": [sample_domain(tenant)]}}


def _forms() -> Iterator[tuple[str, States]]:
    empty = SampleForm(auto_id="design-%s")
    refused = SampleForm({}, auto_id="refused-%s")
    yield (
        "field",
        {
            **{f"{field.label}": {"field": field, "optional": True} for field in empty},
            **{f"{field.label}, refused": {"field": field} for field in refused},
        },
    )
    yield "new_password", {"form": {"form": SamplePasswordForm(auto_id="design-%s")}}
    pages = Paginator(range(30), 10)
    yield "pagination", {"middle": {"found": pages.page(2), "query": ""}}
    yield (
        "bell",
        {
            "nothing unread": {"bell": {"unread": 0, "label": "", "revision": ""}},
            "unread": {"bell": {"unread": 12, "label": "12", "revision": ""}},
        },
    )
    yield "term", {"DKIM": {"text": "DKIM", "term": find("DKIM"), "id": "term-dkim-design"}}
    figure = {"title": "At risk", "number": 7, "show": "risk", "scope": "", "text": "of 46"}
    yield (
        "figure",
        {
            "plain": figure | {"note": None},
            "with a fault": figure | {"note": 2, "tone": "fail", "text": "regressed"},
        },
    )


def _tenants(now: datetime) -> Iterator[tuple[str, States]]:
    tenant, closed = sample_tenant(now), sample_tenant(now, is_closed=True)
    clear = TenantState(42, 42, checks={SubjectStatus.VERIFIED: 12})
    statuses = (SubjectStatus.INCORRECT, SubjectStatus.UNKNOWN, SubjectStatus.CONTRADICTED)
    faulty = TenantState(42, 21, 1, drifts=2, checks=dict.fromkeys(statuses, 1))
    states = {"clear": {"state": clear}, "with faults": {"state": faulty}}
    yield "task_headline", states
    yield "tenant_problems", states
    yield (
        "check_counts",
        {
            **{name: each | {"tenant": tenant} for name, each in states.items()},
            "no results": {"state": TenantState(), "tenant": tenant},
        },
    )
    common = {"tenant": tenant, "may_manage_plan": True, "has_client_tasks": True}
    yield "tabs", {"consultant": common | {"tab": "plan"}}
    yield "tabs_more", {"current page": common | {"tab": "people"}, "closed": common}
    yield "client_nav", {"client": common | {"tab": "client-tasks"}}
    head = {"region": {"name": "United States (A)"}, "domains": [sample_domain(tenant)]}
    yield (
        "tenant_head",
        {"to read": {"page": {"tenant": tenant, "head_cutovers": []} | head, "user": people()[1]}},
    )
    yield (
        "after_closure",
        {"completed": {"page": {"tenant": closed, "may_download_closing_pack": False}}},
    )
