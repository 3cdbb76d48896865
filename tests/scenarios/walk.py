"""One implementation from the empty plan to the signed closure, as consultant and client.

Each side acts only through pages: it reads its page, does the first task that the page lets it do,
publishes the records that the tasks ask for, and closes its mail host. The name servers and the
mail hosts are real servers on loopback, the clock is frozen. tests/browser/test_walk.py does the
same in Chromium, with other `Pages`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from checks.engine.dns.lookup import Record
from checks.engine.outcomes import CheckKind
from checks.models import Check
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plans.field_services import fingerprint
from onboarding.plans.rows import TaskRow
from onboarding.plans.task_fields import FieldRow, FieldType
from onboarding.plans.tasks import complete_waits
from onboarding.requirements.sign_off import definition_of
from tenants.models import User
from tests.checks.engine.mail.signed_messages import SELECTOR, record, signed, written
from tests.clock import at
from tests.factories import record_fact
from tests.scenarios.mail_hosts import OWN_ADDRESS, OWN_NAME, MailHosts
from tests.scenarios.pages import Pages
from tests.scenarios.scenario import NORTHWIND, Scenario

# More steps than any plan has tasks, confirmations and waits.
MOST_STEPS = 500
WINDOWS = {"outbound": "2 Tue 18:00", "inbound": "3 Tue 18:00"}


@dataclass(frozen=True)
class Profile:
    """The mail system of the client: on its own hosts, hosted, or both."""

    directory_method: str
    has_own_host: bool
    is_hosted: bool


# By mail platform.
PROFILES = {
    "microsoft_365": Profile("entra_id", has_own_host=False, is_hosted=True),
    "google_workspace": Profile("google", has_own_host=False, is_hosted=True),
    "on_premises": Profile("mse_agent", has_own_host=True, is_hosted=False),
    "hybrid": Profile("mse_agent", has_own_host=True, is_hosted=True),
    "other": Profile("manual", has_own_host=True, is_hosted=False),
}


class Stuck(AssertionError):
    """No person can act, and no time is awaited."""


class Walk:
    """The people and the pages of one tenant."""

    def __init__(self, scenario: Scenario, mail_hosts: MailHosts, pages: Pages) -> None:
        self.scenario, self.mail_hosts, self.pages = scenario, mail_hosts, pages
        self.tenant = scenario.tenant
        self.people = {"mimecast": scenario.consultant, "client": scenario.owner}
        self.done: list[str] = []
        # Each test message has an identity of its own, as each half of a hybrid system writes one.
        self.messages = itertools.count(1)
        # Called before each round of actions, to compare the pages.
        self.rounds = 0
        self.inspect: Callable[[], None] = lambda: None
        # The settled verdicts of the lockdown, by host, before and after the client locked down.
        self.before_lockdown: dict[str, str] = {}

    # --- The walk

    def publish_records(self) -> None:
        """The records of the client before the work: valid except for MX and its TTL."""
        self.scenario.publish_initial_records()
        dns = self.scenario.dns
        key = Record(f"{SELECTOR}._domainkey.{NORTHWIND}", "TXT", 300, record())
        mail = Record(OWN_NAME, "A", 300, OWN_ADDRESS)
        for host in dns.delegated[NORTHWIND]:
            dns.zones[host][NORTHWIND] += [key, mail]

    def plan_cutovers(self) -> None:
        """The consultant plans both directions, for all domains that need them."""
        page = self.address("cutovers")
        for direction, time in WINDOWS.items():
            form = {
                "direction": direction,
                "planned_at": f"{at(time):%Y-%m-%dT%H:%M}",
                "domains": [domain.public_id for domain in self.tenant.domains.all()],
            }
            self.pages.send(self.scenario.consultant, page, form, page=page)

    def confirm_delivery_host(self) -> None:
        """The client proposes the derived host of hosted mailboxes, the consultant confirms it."""
        page = self.address("my-tasks")
        proposal = self.pages.context(self.scenario.owner, page)["delivery_host"]
        if proposal is None:
            return
        form = {"name": proposal.name, "recipient": proposal.recipient}
        self.pages.send(self.scenario.owner, self.address("delivery-host"), form, page=page)
        page = self.address("plan-show")
        (shown,) = self.pages.context(self.scenario.consultant, page)["proposals"]
        address = self.address("host-confirm", shown.subject.public_id)
        form = {"expected": shown.proposal.fingerprint, "consent": "yes"}
        self.pages.send(self.scenario.consultant, address, form, page=page)

    def run(self) -> None:
        """Act until the closing task is the only one open. Raises Stuck with the open tasks."""
        for self.rounds in range(MOST_STEPS):
            self.inspect()
            if self.act() or self.wait():
                continue
            if self.open_titles() <= self.closing_titles():
                return
            raise Stuck(sorted(self.open_titles()))
        raise Stuck(f"still open after {MOST_STEPS} steps: {sorted(self.open_titles())}")

    def open_titles(self) -> set[str]:
        """The open tasks, without optional tasks that no person has confirmed."""
        rows = Task.objects.filter(plan=self.tenant.plan).exclude(is_group=True)
        return {task.title for task in rows if task.is_open_leaf and not is_undecided(task)}

    def closing_titles(self) -> set[str]:
        closing = Task.objects.filter(plan=self.tenant.plan, role=TaskRole.CLOSURE)
        return set(closing.values_list("title", flat=True))

    def act(self) -> bool:
        """Each side reads its page once, and does one action of each task that offers one."""
        before = len(self.done)
        for side, person in self.people.items():
            for row in self.pages.rows(person):
                if row.task.role != TaskRole.CLOSURE and self.do(row, person, side):
                    self.done.append(row.task.key)
        return len(self.done) > before

    def wait(self) -> bool:
        """Let time pass while a check or a period decides. False if nothing is awaited."""
        rows = self.pages.rows(self.scenario.consultant)
        awaited = [row for row in rows if is_awaited(row) and not row.is_closure]
        if not awaited:
            return False
        before = self.snapshot()
        for hours in (0.1, 0.5, 3, 12, 24, 48, 96, 192):
            self.pass_time(timedelta(hours=hours))
            if self.snapshot() != before or self.act():
                return True
        raise Stuck("\n".join(["no change in two weeks:", *map(described, awaited)]))

    def pass_time(self, by: timedelta) -> None:
        clock = self.scenario.clock
        clock.move_to(clock.now + by)
        for _ in range(3):
            clock.move_to(clock.now + timedelta(minutes=2))
            self.publish_due_records()
            self.pages.in_background(self.beat)

    def beat(self) -> None:
        self.scenario.beat()
        with self.scenario.commits():
            complete_waits()

    def publish_due_records(self) -> None:
        """The client switches the MX records in the window of the inbound cutover."""
        if self.scenario.clock.now >= at(WINDOWS["inbound"]):
            self.scenario.switch()

    def snapshot(self) -> list[tuple[Any, ...]]:
        rows = Task.objects.filter(plan=self.tenant.plan).order_by("position")
        return list(rows.values_list("key", "status", "wait_ends_at"))

    # --- The closing

    def close(self) -> list[str]:
        """Decide on every optional task, accept the residual risks, and sign off for both sides.

        Returns the kinds of the accepted risks, in the order of the page.
        """
        consultant = self.scenario.consultant
        for row in self.pages.rows(consultant):
            if row.task.is_open_leaf and is_undecided(row.task):
                form = {"reason": "Not in this implementation.", "expected": row.task.status}
                address = self.address("task-transition", row.task.public_id, "decline")
                self.pages.send(consultant, address, form, page=address)
        accepted = self.accept_risks()
        self.inspect()
        for person in self.people.values():
            page, address = self.address("closing"), self.address("sign-off")
            self.pages.send(person, address, {"reason": "All mail flows."}, page=page)
        return accepted

    def accept_risks(self) -> list[str]:
        consultant, page = self.scenario.consultant, self.address("closing")
        accepted: list[str] = []
        while True:
            cards = self.pages.context(consultant, page)["cards"]
            card = next((each for each in cards if each.form is not None), None)
            if card is None:
                return accepted
            form = {
                "kind": card.risk.kind.value,
                "subject": card.risk.subject,
                "sentence": card.risk.sentence,
                "reason": "Agreed in the last session.",
            }
            self.pages.send(consultant, self.address("residual-risk-accept"), form, page=page)
            accepted.append(card.risk.kind.value)

    def address(self, name: str, *args: str) -> str:
        return reverse(f"onboarding:{name}", args=[self.tenant.public_id, *args])

    def installation_page(self, name: str) -> str:
        return reverse(f"onboarding:{name}")

    def phase_page(self, row: TaskRow) -> str:
        return f"{self.address('plan-show')}?phase={row.task.phase.key}"

    # --- The lockdown

    def lockdown(self) -> dict[str, str]:
        """The settled verdict of the lockdown, by host."""
        checks = Check.objects.filter(tenant=self.tenant, kind=CheckKind.LOCKDOWN, is_active=True)
        return {check.subject: check.settled_verdict for check in checks}

    def lock_down(self) -> None:
        self.before_lockdown = self.lockdown()
        self.mail_hosts.lock()

    # --- The actions of one row

    def do(self, row: TaskRow, person: User, side: str) -> bool:
        if row.task.status in (TaskStatus.VERIFIED, TaskStatus.NOT_APPLICABLE):
            return False
        return any(
            action(row, person, side)
            for action in (self.attach, self.save, self.sign, self.send, self.confirm)
        )

    def attach(self, row: TaskRow, person: User, side: str) -> bool:
        missing = [each for each in row.context.missing_fields if is_file(each)]
        if not missing or not row.is_mine or row.open_dependencies:
            return False
        upload = SimpleUploadedFile("export.txt", b"Identity: Default\n")
        self.post(person, "file-add", row, {"file": upload})
        return True

    def save(self, row: TaskRow, person: User, side: str) -> bool:
        missing = [each for each in row.context.missing_fields if not is_file(each)]
        if not missing or not row.can_set_fields or row.open_dependencies:
            return False
        facts = [each for each in missing if each.missing_text]
        for each in facts:
            record_fact(self.tenant, each.definition.fact)
        if len(facts) == len(missing):
            return True
        rows = [each for each in row.field_rows if not each.definition.is_read_only]
        typed = {each.name: self.text_for(each) for each in rows}
        typed["expected"] = fingerprint(row.field_rows)
        self.post(person, "task-fields", row, typed)
        return True

    def text_for(self, row: FieldRow) -> str:
        if row.text:
            return row.text
        if row.definition.profile:
            return f"{self.tenant.region_values.account_code_prefix}10A100"
        return {
            FieldType.DATE: f"{self.scenario.clock.now:%Y-%m-%d}",
            FieldType.PEOPLE: "Con Sultant\nOw Ner",
            FieldType.NUMBER: "25",
            FieldType.CHOICE: next(iter(row.definition.choices), ""),
            FieldType.TEXT: "none",
        }[row.definition.type]

    def sign(self, row: TaskRow, person: User, side: str) -> bool:
        """Sign off the requirements sheet that confirms the task."""
        sheet = getattr(row.task, "sheet", None)
        ready = row.is_confirmed_by_sign_off and row.is_mine and not row.has_signed
        if sheet is None or not ready or row.open_dependencies or row.task.is_complete:
            return False
        sheet.refresh_from_db()
        page = self.address("requirements-sheet", sheet.public_id)
        if definition_of(sheet).is_fixed:
            self.answer(sheet, person)
        sheet.refresh_from_db()
        address = self.address("requirements-sign-off", sheet.public_id)
        self.pages.send(person, address, {"revision": sheet.revision}, page=page)
        return True

    def answer(self, sheet: Any, person: User) -> None:
        for each in sheet.rows.order_by("position"):
            if not each.values.get("answer"):
                answer = ANSWERS.get(each.values["question"], "none")
                page = self.address("requirements-row", sheet.public_id, each.public_id)
                form = {"answer": answer, "version": each.version}
                self.pages.send(person, page, form, page=page)

    def send(self, row: TaskRow, person: User, side: str) -> bool:
        """Submit a message that Mimecast signed after the confirmation of the outbound cutover."""
        if row.task.role != TaskRole.SWITCHES_OUTBOUND or side != "client" or row.can_confirm:
            return False
        subjects = [s for s in row.open_subjects if s.check is not None and s.confirmed_at]
        for subject in subjects:
            assert subject.check is not None
            sent = subject.check.messages.filter(submitted_at__gte=subject.confirmed_at)
            known = set(sent.values_list("sending_platform", flat=True))
            platform = next((p for p in subject.sending_platforms or [""] if p not in known), None)
            if platform is None:
                continue
            message = self.message_of(subject.name, self.scenario.clock.now)
            form = {"source": message.decode()}
            if platform:
                form["sending_platform"] = platform
            address = self.address("test-message-submit", subject.check.public_id)
            page = self.address("test-message", subject.check.public_id)
            self.pages.send(person, address, form, page=page)
            return True
        return False

    def message_of(self, domain: str, now: datetime) -> bytes:
        sender = f"Ann <ann@{domain}>"
        fields = written(
            sender=sender,
            return_path=f"<ann@{domain}>",
            received=(
                "from us-smtp-delivery-1.mimecast.com"
                " (us-smtp-delivery-1.mimecast.com. [207.211.31.10])\r\n"
                f" by mx.outside.test with ESMTPS id 1; {now:%a, %d %b %Y %H:%M:%S} +0000"
            ),
            Date=f"{now:%a, %d %b %Y %H:%M:%S} +0000",
            Message_ID=f"<{next(self.messages)}@{domain}>",
        )
        # Without t=: the DKIM library compares it with the real clock, not the frozen one.
        return signed(fields, domain=domain, signed_at=None)

    def confirm(self, row: TaskRow, person: User, side: str) -> bool:
        if not row.can_confirm or row.open_dependencies:
            return False
        if CheckKind.MX_TTL in row.task.check_kinds:
            self.scenario.lower()
        if row.task.role == TaskRole.SWITCHES_INBOUND:
            return False
        if row.task.role == TaskRole.LOCKDOWN:
            self.lock_down()
        self.post(person, "task-confirm", row, {"expected": row.task.status})
        return True

    def post(self, person: User, name: str, row: TaskRow, form: dict[str, Any]) -> None:
        address = self.address(name, row.task.public_id)
        self.pages.send(person, address, form, page=self.phase_page(row))


# The questions of sheets that accept no free text.
ANSWERS = {
    "URL prefix": "northwind",
    "Main colour": "#0f5f73",
    "Colour of text on it": "#ffffff",
    "Address for questions of users": "help@northwind.test",
    "Number of mailboxes": "25",
}


def described(row: TaskRow) -> str:
    """The task with its status, open dependencies and findings, to explain a failure."""
    waits = [task.title for task in row.open_dependencies]
    found = [
        (subject.name, [finding["code"] for finding in subject.check.latest.findings])
        for subject in row.evidence.subjects
        if subject.check is not None and subject.check.latest is not None
    ]
    return f"{row.task.title} ({row.task.status}): waits for {waits}, {row.why_not_confirm} {found}"


def is_undecided(task: Task) -> bool:
    """Whether the task is optional and no person has confirmed it. The closing declines it."""
    return task.is_optional and task.status != TaskStatus.AWAITING_VERIFICATION


def is_file(row: FieldRow) -> bool:
    return row.definition.type is FieldType.FILE


def is_awaited(row: TaskRow) -> bool:
    """Whether time or a check decides about the open task, or its records wait for their window."""
    return row.task.is_open_leaf and (row.needs_time or bool(row.task.check_kinds))
