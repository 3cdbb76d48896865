"""A scenario of a cutover, through the entry points of the product: beats, workers and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from checks.engine.outcomes import CheckKind
from checks.models import Check
from checks.tasks import queue_due_checks
from onboarding.cutovers import go_no_go, planning
from onboarding.cutovers.change_sheets import ChangeSheet
from onboarding.cutovers.follow_up import FollowUp
from onboarding.cutovers.live_board import DomainBoard
from onboarding.cutovers.readiness import ReadinessRow
from onboarding.cutovers.rollback import RollbackSheet
from onboarding.cutovers.room import CutoverRoom
from onboarding.cutovers.tasks import open_cutover_windows
from onboarding.cutovers.timeline import TimelineEntry
from onboarding.models import Cutover, CutoverDecision, Task
from onboarding.plans.confirmations import is_confirmed_by_sign_off
from onboarding.plans.services import confirm_task
from onboarding.requirements.sign_off import sign_off
from tenants.models import ActivityLine, Membership, Tenant, User
from tests.clock import Clock, at
from tests.factories import TOKEN, fill_fields, task_of
from tests.markup import texts
from tests.scenarios.name_servers import NameServers

NORTHWIND = "northwind.test"
OLD = ("10 mail.northwind.test",)
NEW = ("10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com")
SPF = "v=spf1 include:us._netblocks.mimecast.com -all"
Commits = Callable[..., AbstractContextManager[object]]
# A button of a page that was loaded before. A press returns the messages of the answer, or the
# sentences of a refused form.
Submit = Callable[[], list[str]]


@dataclass(frozen=True)
class RoomPage:
    """The cutover room as its page shows it at one time."""

    room: CutoverRoom
    safe_at: datetime | None
    decision: CutoverDecision | None
    html: str

    def row(self, key: str) -> ReadinessRow:
        return next(row for row in self.room.rows if row.key == key)

    def board(self, domain: str = NORTHWIND) -> DomainBoard:
        return next(board for board in self.room.boards if board.domain == domain)

    def follow_up(self, key: str) -> FollowUp:
        return next(follow_up for follow_up in self.room.follow_ups if follow_up.key == key)

    @property
    def shapes(self) -> dict[str, str]:
        """The shape of each board, by domain."""
        return {board.domain: board.shape for board in self.room.boards}

    @property
    def servers(self) -> list[str]:
        """The shape of each server of the first board."""
        return [row.shape for row in self.room.boards[0].servers]


class Scenario:
    """The time, name servers and people of one tenant, all under the control of the test."""

    def __init__(
        self,
        tenant: Tenant,
        consultant: User,
        clock: Clock,
        dns: NameServers,
        commits: Commits,
        *,
        owner: User | None = None,
    ) -> None:
        self.tenant, self.consultant, self.clock, self.dns = tenant, consultant, clock, dns
        self._commits = commits
        self.owner = owner or self._new_owner()
        self._clients: dict[tuple[int, date], Client] = {}

    def _new_owner(self) -> User:
        owner = User.objects.create_user("owner@northwind.test", "pw", name="Ow Ner")
        Membership.objects.create(tenant=self.tenant, user=owner, role="owner")
        return owner

    # --- Time

    def at(self, text: str) -> None:
        """Move to that time and run the beat of the minute: windows open, and due checks run."""
        self.clock.move_to(at(text))
        self.beat()

    def beat(self) -> None:
        with self._commits(execute=True):
            open_cutover_windows()
            queue_due_checks()

    def run_due_checks(self, text: str) -> None:
        """Move to that time and run due checks, without the beat that opens windows."""
        self.clock.move_to(at(text))
        with self._commits(execute=True):
            queue_due_checks()

    def commits(self) -> AbstractContextManager[object]:
        """Commit at the end of the block, and run the callbacks of the commit."""
        return self._commits(execute=True)

    # --- Actions of people

    def publish_initial_records(self, *domains: str, ttl: int = 86_400) -> None:
        """The records at the start: valid ownership and SPF records, and the old MX."""
        for domain in domains or (NORTHWIND,):
            self.dns.publish(domain, "TXT", TOKEN, SPF, ttl=300)
            self.dns.publish(domain, "MX", *OLD, ttl=ttl)

    def lower(self, *domains: str, on: Sequence[str] = ()) -> None:
        for domain in domains or (NORTHWIND,):
            self.dns.publish(domain, "MX", *OLD, ttl=300, on=on)

    def switch(self, *domains: str, on: Sequence[str] = (), ttl: int = 300) -> None:
        for domain in domains or (NORTHWIND,):
            self.dns.publish(domain, "MX", *NEW, ttl=ttl, on=on)

    def lowered_on_monday(self, *domains: str) -> None:
        """A TTL of one day until Monday 09:00, and of five minutes everywhere at 09:05.

        A switch is safe from Tuesday 09:05 on.
        """
        self.publish_initial_records(*domains)
        self.at("Mon 09:00")
        self.lower(*domains)
        self.at("Mon 09:05")

    def plan(self, planned_at: str, *names: str, direction: str = "inbound") -> Cutover:
        domains = self.tenant.domains.all()
        chosen = domains.filter(name__in=names) if names else domains
        with self.commits():
            return planning.plan_cutover(
                self.tenant.plan,
                direction,
                at(planned_at),
                list(chosen),
                by=self.consultant,
                reason="Planned by the scenario.",
            )

    def move(self, cutover: Cutover, planned_at: str) -> Cutover:
        domains = list(cutover.domains.all())
        with self.commits():
            planning.change_cutover(
                cutover,
                at(planned_at),
                domains,
                expected_round=cutover.round,
                by=self.consultant,
                reason="Moved by the scenario.",
            )
        cutover.refresh_from_db()
        return cutover

    def name_approvers(self, cutover: Cutover) -> None:
        with self.commits():
            go_no_go.name_approvers(
                cutover, mimecast=self.consultant, client=self.owner, by=self.consultant
            )

    def confirm_tasks(self, *keys: str) -> None:
        """Confirm each task, or sign off its sheet, for each responsible side."""
        with self.commits():
            for key in keys:
                for side, person in (("mimecast", self.consultant), ("client", self.owner)):
                    task = fill_fields(task_of(self.tenant, key))
                    if task.responsibility in (side, "both"):
                        _confirm(task, by=person, side=side)

    def window(self, cutover: Cutover, risk: str = "", *, outbound_days: int = 3) -> Submit:
        """The window as the page shows it now. The consultant confirms it now or later."""
        shown = self.room(cutover).room.cutover
        form = {
            "planned_at": shown.planned_at.isoformat(),
            "round": shown.round,
            "length_minutes": 240,
            "outbound_days": outbound_days,
            "accepted_risk": risk,
        }
        return lambda: self._post(self.consultant, cutover, "cutover-window", form)

    def confirm(self, cutover: Cutover, risk: str = "", *, outbound_days: int = 3) -> list[str]:
        return self.window(cutover, risk, outbound_days=outbound_days)()

    def vote_form(self, cutover: Cutover, by: User, choice: str = "go", risk: str = "") -> Submit:
        """A vote as the page offers it now. The approver casts it now or later."""
        shown = self.room(cutover, by=by)
        blockers = re.search(r'name="blockers" value="([^"]*)"', shown.html)
        cutover.refresh_from_db()
        form = {
            "planned_at": cutover.planned_at.isoformat(),
            "round": cutover.round,
            "choice": choice,
            "comment": "",
            "accepted_risk": risk,
            "blockers": blockers.group(1) if blockers else "",
        }
        return lambda: self._post(by, cutover, "cutover-vote", form)

    def vote(self, cutover: Cutover, by: User, choice: str = "go", risk: str = "") -> list[str]:
        return self.vote_form(cutover, by, choice, risk)()

    # --- Contents of the pages

    def room(self, cutover: Cutover, *, by: User | None = None) -> RoomPage:
        answer = self._get(cutover, "cutover-room", by)
        context = answer.context
        html = " ".join(answer.content.decode().split())
        return RoomPage(context["room"], context["safe_at"], context["decision"], html)

    def sheets(self, cutover: Cutover, *, agreed: Collection[str] = ()) -> list[ChangeSheet]:
        answer = self._get(cutover, "change-sheet", None, removed=list(agreed))
        sheets: list[ChangeSheet] = answer.context["sheets"]
        return sheets

    def rollback(self, cutover: Cutover) -> tuple[list[RollbackSheet], bool]:
        """The rollback sheets by domain, and whether the page shows everything as restored."""
        context = self._get(cutover, "rollback", None).context
        return context["sheets"], context["is_restored"]

    def timeline(self, cutover: Cutover) -> list[TimelineEntry]:
        context = self._get(cutover, "cutover-timeline", None).context
        entries: list[TimelineEntry] = context["entries"]
        return entries

    def status(self, key: str) -> str:
        return task_of(self.tenant, key).status

    def task(self, key: str) -> Task:
        return task_of(self.tenant, key)

    def lines(self, *actions: str) -> list[tuple[str, datetime]]:
        """The activity lines of these actions, each with its time."""
        rows = ActivityLine.objects.filter(tenant=self.tenant, action__in=actions).order_by("pk")
        return list(rows.values_list("action", "at"))

    def check(self, kind: CheckKind, domain: str = NORTHWIND) -> Check:
        return Check.objects.get(tenant=self.tenant, kind=kind, domain__name=domain)

    def poll(self, address: str) -> str:
        """The revision that an open page receives when it polls."""
        revision: str = self.client_of(self.consultant).get(address).content.decode()
        return revision

    def client_of(self, by: User) -> Client:
        """A client that signs in once a day, because a session is shorter than a cutover."""
        key = (by.pk, self.clock.now.date())
        known = self._clients.get(key)
        if known is None:
            known = self._clients[key] = Client()
            backend = "allauth.account.auth_backends.AuthenticationBackend"
            known.force_login(by, backend=backend)
        return known

    def _address(self, cutover: Cutover, name: str) -> str:
        return reverse(f"onboarding:{name}", args=[self.tenant.public_id, cutover.public_id])

    def _get(self, cutover: Cutover, name: str, by: User | None, **query: Any) -> Any:
        answer = self.client_of(by or self.consultant).get(self._address(cutover, name), query)
        assert answer.status_code == 200
        return answer

    def _post(self, by: User, cutover: Cutover, name: str, form: dict[str, Any]) -> list[str]:
        with self.commits():
            answer = self.client_of(by).post(self._address(cutover, name), form)
        cutover.refresh_from_db()
        messages = [str(message) for message in get_messages(answer.wsgi_request)]
        if answer.status_code == 302:
            return messages
        assert (answer.status_code, messages) == (422, [])
        return _refusal(answer, name, form)


def _refusal(answer: Any, name: str, form: dict[str, Any]) -> list[str]:
    """The sentences on the page of a refused form, which retains the typed reason."""
    html = answer.content.decode()
    refused = answer.context["vote_form" if name == "cutover-vote" else "window_form"]
    sentences = [sentence for errors in refused.errors.values() for sentence in errors]
    assert sentences
    assert texts(html, ".errorlist") == sentences
    # The page has this field only with blockers. Without a typed reason, it may be absent.
    field_id = refused["accepted_risk"].id_for_label
    assert "".join(texts(html, f"#{field_id}")) == form["accepted_risk"]
    return sentences


def _confirm(task: Task, *, by: User, side: str) -> None:
    if is_confirmed_by_sign_off(task):
        sign_off(task.sheet, by=by, side=side, expected_revision=task.sheet.revision)
    else:
        confirm_task(task, by=by, side=side)
