"""One implementation from the empty plan to the signed closure, as consultant and client.

Each side acts only through pages: it reads its page, does the first task that the page lets it do,
and publishes the records that the tasks ask for. The name servers are real, the clock is frozen.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from checks.engine.dns.lookup import Record
from checks.engine.outcomes import CheckKind
from onboarding.models import Task, TaskRole, TaskStatus
from onboarding.plans.field_services import fingerprint
from onboarding.plans.rows import TaskRow
from onboarding.plans.task_fields import FieldRow, FieldType
from onboarding.plans.tasks import complete_waits
from onboarding.requirements import services
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import User
from tests.checks.engine.mail.signed_messages import SELECTOR, record, signed, written
from tests.clock import at
from tests.scenarios.scenario import NORTHWIND, Scenario

# More steps than any plan has tasks, confirmations and waits.
MOST_STEPS = 500
# No server listens there: its port is open to Mimecast only.
MAIL_HOST = "127.66.0.80"
WINDOWS = {"outbound": "2 Tue 18:00", "inbound": "3 Tue 18:00"}


class Stuck(AssertionError):
    """No person can act, and no time is awaited."""


class Walk:
    """The people and the pages of one tenant."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.tenant = scenario.tenant
        self.people = {"mimecast": scenario.consultant, "client": scenario.owner}
        self.done: list[str] = []

    # --- The walk

    def publish_records(self) -> None:
        """The records of the client before the work: valid except for MX and its TTL."""
        self.scenario.publish_initial_records()
        dns = self.scenario.dns
        key = Record(f"{SELECTOR}._domainkey.{NORTHWIND}", "TXT", 300, record())
        mail = Record(f"mail.{NORTHWIND}", "A", 300, MAIL_HOST)
        for host in dns.delegated[NORTHWIND]:
            dns.zones[host][NORTHWIND] += [key, mail]

    def plan_cutovers(self) -> None:
        for direction, time in WINDOWS.items():
            self.scenario.plan(time, direction=direction)

    def run(self) -> None:
        """Act until the closing task is the only one open. Raises Stuck with the open tasks."""
        for _ in range(MOST_STEPS):
            if self.act() or self.wait():
                continue
            if self.open_titles() <= self.closing_titles():
                return
            raise Stuck(sorted(self.open_titles()))
        raise Stuck(f"still open after {MOST_STEPS} steps: {sorted(self.open_titles())}")

    def open_titles(self) -> set[str]:
        rows = Task.objects.filter(plan=self.tenant.plan).exclude(is_group=True)
        return {task.title for task in rows if task.is_open_leaf and not task.is_optional}

    def closing_titles(self) -> set[str]:
        closing = Task.objects.filter(plan=self.tenant.plan, role=TaskRole.CLOSURE)
        return set(closing.values_list("title", flat=True))

    def act(self) -> bool:
        """Each side reads its page once, and does one action of each task that offers one."""
        before = len(self.done)
        for side, person in self.people.items():
            for row in self.rows(person):
                if row.task.role != TaskRole.CLOSURE and self.do(row, person, side):
                    self.done.append(row.task.key)
        return len(self.done) > before

    def wait(self) -> bool:
        """Let time pass while a check or a period decides. False if nothing is awaited."""
        rows = self.rows(self.scenario.consultant)
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
        for row in self.rows(consultant):
            if row.task.is_optional and row.task.is_open_leaf:
                form = {"reason": "Not in this implementation.", "expected": row.task.status}
                self.post(consultant, "task-transition", row, form, "decline")
        accepted = self.accept_risks()
        for person in self.people.values():
            self.send_form(person, self.address("sign-off"), {"reason": "All mail flows."})
        return accepted

    def accept_risks(self) -> list[str]:
        consultant = self.scenario.consultant
        accepted: list[str] = []
        while True:
            page = self.scenario.client_of(consultant).get(self.address("closing"))
            card = next((each for each in page.context["cards"] if each.form is not None), None)
            if card is None:
                return accepted
            form = {
                "kind": card.risk.kind.value,
                "subject": card.risk.subject,
                "sentence": card.risk.sentence,
                "reason": "Agreed in the last session.",
            }
            self.send_form(consultant, self.address("residual-risk-accept"), form)
            accepted.append(card.risk.kind.value)

    def address(self, name: str) -> str:
        return reverse(f"onboarding:{name}", args=[self.tenant.public_id])

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
        typed = {each.name: self.text_for(each) for each in row.field_rows if not is_file(each)}
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
        if definition_of(sheet).is_fixed:
            self.answer(sheet, person)
        address = reverse(
            "onboarding:requirements-sign-off", args=[self.tenant.public_id, sheet.public_id]
        )
        sheet.refresh_from_db()
        self.send_form(person, address, {"revision": sheet.revision})
        return True

    def answer(self, sheet: Any, person: User) -> None:
        for each in sheet.rows.order_by("position"):
            if not each.values.get("answer"):
                context = services.validation_context_of(self.tenant)
                answer = ANSWERS.get(each.values["question"], "none")
                entry = read_entry(definition_of(sheet), each.values | {"answer": answer}, context)
                services.change_row(sheet, each.public_id, entry, version=each.version, by=person)

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
            address = reverse(
                "onboarding:test-message-submit",
                args=[self.tenant.public_id, subject.check.public_id],
            )
            message = self.message_of(subject.name, self.scenario.clock.now)
            self.send_form(
                person, address, {"source": message.decode(), "sending_platform": platform}
            )
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
        self.post(person, "task-confirm", row, {"expected": row.task.status})
        return True

    # --- Pages

    def rows(self, person: User) -> list[TaskRow]:
        address = reverse("onboarding:plan-show", args=[self.tenant.public_id])
        answer = self.scenario.client_of(person).get(address)
        assert answer.status_code == 200
        rows: list[TaskRow] = answer.context["page"].rows
        return rows

    def post(self, person: User, name: str, row: TaskRow, form: dict[str, Any], *more: str) -> None:
        args = [self.tenant.public_id, row.task.public_id, *more]
        address = reverse(f"onboarding:{name}", args=args)
        self.send_form(person, address, form)

    def send_form(self, person: User, address: str, form: dict[str, Any]) -> None:
        """Post the form. The server accepts every action that a page offers."""
        with self.scenario.commits():
            answer = self.scenario.client_of(person).post(address, form)
        problems = [
            str(message)
            for message in get_messages(answer.wsgi_request)
            if message.level_tag == "error"
        ]
        assert answer.status_code == 302, answer.context["form"].errors
        assert problems == [], f"{address}: {problems}"


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


def is_file(row: FieldRow) -> bool:
    return row.definition.type is FieldType.FILE


def is_awaited(row: TaskRow) -> bool:
    """Whether time or a check decides about the open task."""
    return row.task.is_open_leaf and (row.needs_time or bool(row.task.check_kinds))
