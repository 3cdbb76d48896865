"""Facts: the checks of each tenant and the observed answers, stored as intervals."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from checks.check_state import CheckState
from checks.engine.outcomes import (
    MESSAGE_KINDS,
    SOURCE_KINDS,
    UNVERIFIED_KINDS,
    CheckKind,
    Verdict,
)
from checks.scheduling import Interval, Priorities
from checks.settling import SettledVerdict
from tenants import database_time
from tenants.models import Domain, Host, Tenant, User
from tenants.proposals import (
    ProposalKind,
    has_confirmed,
    proposal_in_use,
    proposed_label,
)
from tenants.public_ids import new_public_id

KIND_CHOICES = [
    (CheckKind.OWNERSHIP.value, "Ownership"),
    (CheckKind.SPF.value, "SPF"),
    (CheckKind.DKIM.value, "DKIM"),
    (CheckKind.DMARC.value, "DMARC"),
    (CheckKind.MTA_STS.value, "MTA-STS"),
    (CheckKind.MX_TTL.value, "MX TTL"),
    (CheckKind.MX.value, "MX"),
    (CheckKind.SMTP.value, "SMTP 25"),
    (CheckKind.LDAPS.value, "LDAPS 636"),
    (CheckKind.LOCKDOWN.value, "Lockdown"),
    (CheckKind.MESSAGE.value, "Message"),
    (CheckKind.DELIVERY_MESSAGE.value, "Received message"),
    (CheckKind.CONNECTION_FILTER.value, "Connection filter"),
    (CheckKind.INBOUND_CONNECTOR.value, "Inbound connector"),
    (CheckKind.OUTBOUND_CONNECTOR.value, "Outbound connector"),
    (CheckKind.ENHANCED_FILTERING.value, "Enhanced filtering"),
    (CheckKind.CLOUD_JOURNALING.value, "Journaling of Exchange Online"),
    (CheckKind.ACCEPTED_DOMAINS.value, "Accepted domains"),
    (CheckKind.CLOUD_SIGNING.value, "DKIM signing of Exchange Online"),
]
VERDICT_CHOICES = [
    (Verdict.PASS.value, "Pass"),
    (Verdict.WARN.value, "Warning"),
    (Verdict.FAIL.value, "Fail"),
    (Verdict.UNKNOWN.value, "No reliable answer"),
    (Verdict.NOT_APPLICABLE.value, "Not applicable"),
]

# The kinds whose question contains a value that a client may propose.
PROPOSED_VALUES: dict[str, ProposalKind] = {
    CheckKind.OWNERSHIP.value: ProposalKind.OWNERSHIP,
    CheckKind.DKIM.value: ProposalKind.DKIM,
    CheckKind.MESSAGE.value: ProposalKind.DKIM,
}


class SendingPlatform(models.TextChoices):
    """The halves of a hybrid mail system. Each sends its own mail through Mimecast."""

    CLOUD = "cloud", "Exchange Online"
    ON_PREMISES = "on_premises", "Exchange on-premises"


class Check(models.Model):
    """One question about one subject, scheduled for the life of the tenant."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    # Every run changes `next_due_at`, so PostgreSQL writes to each index of the table. The foreign
    # keys use the indexes of the constraints and of `check_tenant_kind`.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="checks", db_index=False
    )
    kind = models.CharField(max_length=20, choices=KIND_CHOICES)
    domain = models.ForeignKey(
        Domain,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="checks",
        db_index=False,
    )
    host = models.ForeignKey(
        Host, on_delete=models.CASCADE, null=True, blank=True, related_name="checks", db_index=False
    )
    expectation = models.JSONField(default=dict)
    vantage = models.CharField(max_length=40, default="default")
    is_active = models.BooleanField(default=True)

    next_due_at = models.DateTimeField(default=database_time.known_now)
    interval = models.CharField(
        max_length=12,
        default=Interval.UNSETTLED.value,
        choices=[(p.value, p.value) for p in Interval],
    )
    # End times of the three priorities: a person has just changed a record ("Check now"), a person
    # has the task open, or a cutover window is open.
    requested_until = models.DateTimeField(null=True, blank=True)
    viewed_until = models.DateTimeField(null=True, blank=True)
    cutover_until = models.DateTimeField(null=True, blank=True)
    # An expired claim belongs to a dead worker: the row is due again.
    claim_id = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    checked_at = models.DateTimeField(null=True, blank=True)
    # The start of the first run whose new answer or verdict no task has followed yet. Empty when
    # the tenant's plan is up to date (checks.reactions).
    unevaluated_since = models.DateTimeField(null=True, blank=True)
    latest = models.ForeignKey(
        "Observation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    settled_verdict = models.CharField(max_length=20, choices=VERDICT_CHOICES, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    # Number of runs that contradict the settled verdict (or confirm a first FAIL), and the time of
    # the first one.
    contradicting_runs = models.PositiveIntegerField(default=0)
    contradicted_since = models.DateTimeField(null=True, blank=True)
    # When a pass was first settled for this expectation, and whether a settled FAIL is a
    # misconfiguration and not a task that is not done yet (checks.settling.is_misconfigured).
    first_verified_at = models.DateTimeField(null=True, blank=True)
    is_misconfigured = models.BooleanField(default=False)
    # For a message check: the signed time of the newest message that passed.
    signed_at = models.DateTimeField(null=True, blank=True)
    # The same for each half of a hybrid system, as ISO 8601 text by SendingPlatform.
    signed_by_platform = models.JSONField(default=dict)
    # For a check of received messages: when the client's system received the newest that passed.
    received_at = models.DateTimeField(null=True, blank=True)
    # For a check of a source: the time of the facts on which the settled verdict rests.
    facts_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(domain__isnull=False, host__isnull=True)
                | models.Q(domain__isnull=True, host__isnull=False),
                name="check_has_one_subject",
            ),
            models.UniqueConstraint(
                fields=["domain", "kind", "vantage"],
                condition=models.Q(domain__isnull=False),
                name="one_check_per_domain_and_kind",
            ),
            models.UniqueConstraint(
                fields=["host", "kind", "vantage"],
                condition=models.Q(host__isnull=False),
                name="one_check_per_host_and_kind",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_due_at"], condition=models.Q(is_active=True), name="check_due"
            ),
            models.Index(fields=["tenant", "kind"], name="check_tenant_kind"),
            models.Index(
                fields=["unevaluated_since"],
                condition=models.Q(unevaluated_since__isnull=False),
                name="check_unevaluated",
            ),
            # The checks that can be failing, in lists of all tenants.
            models.Index(
                fields=["tenant"],
                condition=models.Q(is_active=True, settled_verdict=Verdict.FAIL.value)
                & (models.Q(first_verified_at__isnull=False) | models.Q(is_misconfigured=True)),
                name="check_failing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"

    @property
    def needs_message(self) -> bool:
        """Whether a run needs a message that a person submits."""
        return self.kind in MESSAGE_KINDS

    @property
    def is_of_source(self) -> bool:
        """Whether the check judges the facts of a source, such as an export of the platform."""
        return self.kind in SOURCE_KINDS

    @property
    def is_unverified_text(self) -> bool:
        """Whether the check judges text that a person can edit."""
        return self.kind in UNVERIFIED_KINDS

    @property
    def subject(self) -> str:
        return str(self.domain if self.domain is not None else self.host)

    @property
    def is_proposed(self) -> bool:
        """Whether the question contains a value that a client proposed and no consultant has
        confirmed. Its verdict completes no task and is no consent to connections."""
        if self.host is not None:
            return self.host.is_proposed
        proposed = PROPOSED_VALUES.get(self.kind)
        return (
            proposed is not None
            and self.domain is not None
            and not has_confirmed(self.domain, proposed)
        )

    @property
    def proposed_label(self) -> str:
        """The words next to a verdict on a proposed value; empty where the value is confirmed."""
        if not self.is_proposed:
            return ""
        if self.host is not None:
            return proposed_label(self.host.proposer)
        assert self.domain is not None
        proposal = proposal_in_use(self.domain, PROPOSED_VALUES[self.kind])
        return proposal.label if proposal is not None else ""

    @property
    def settled(self) -> SettledVerdict:
        verdict = Verdict(self.settled_verdict) if self.settled_verdict else None
        return SettledVerdict(verdict, self.contradicting_runs, self.contradicted_since)

    @property
    def state(self) -> CheckState:
        latest = self.latest
        return CheckState(
            next_due_at=self.next_due_at,
            settled=self.settled,
            settled_at=self.settled_at,
            first_verified_at=self.first_verified_at,
            is_misconfigured=self.is_misconfigured,
            checked_at=self.checked_at,
            digest=latest.digest if latest is not None else "",
            unchanged_since=latest.first_seen_at if latest is not None else None,
            interval=Interval(self.interval),
        )

    @property
    def priorities(self) -> Priorities:
        return Priorities(self.cutover_until, self.requested_until, self.viewed_until)


class RawAnswers(models.Model):
    """The answers of all servers and hosts of one run, as received (see checks.raw_answers)."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="raw_answers", db_index=False
    )
    digest = models.CharField(max_length=64)
    # Compressed JSON. Written once, never changed.
    body = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "digest"], name="unique_raw_answers")
        ]

    def __str__(self) -> str:
        return f"raw answers {self.digest[:12]}"


class Observation(models.Model):
    """One answer with its verdict. Equal answers in later runs extend the interval."""

    class Trigger(models.TextChoices):
        RUN = "run", "Run"
        RULES = "rules", "New rules"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    check_asked = models.ForeignKey(
        Check, on_delete=models.CASCADE, related_name="observations", db_index=False
    )
    verdict = models.CharField(max_length=20, choices=VERDICT_CHOICES)
    unanimous = models.BooleanField(default=True)
    findings = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    # The expectation, the digest of the rules, and the raw answers: the input for judging it again.
    expectation = models.JSONField(default=dict)
    rules = models.CharField(max_length=12, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.RUN)
    raw = models.ForeignKey(
        RawAnswers, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    first_seen_at = models.DateTimeField()
    # The end of the first run. Until then, servers may have served the earlier answer.
    first_run_ended_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField()
    # 0 when newer rules judged an earlier answer and no run has followed yet.
    runs = models.PositiveIntegerField(default=1)

    class Meta:
        ordering: ClassVar[list[str]] = ["-first_seen_at", "-pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["check_asked", "-first_seen_at"], name="observation_timeline")
        ]

    def __str__(self) -> str:
        return f"{self.verdict} from {self.first_seen_at:%Y-%m-%d %H:%M}"


class SubmittedMessage(models.Model):
    """A test message that a person submitted. Its bytes are deleted after judging."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    check_asked = models.ForeignKey(
        Check, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    content = models.BinaryField(default=bytes)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    # The half of a hybrid system that sent it; empty for every other platform.
    sending_platform = models.CharField(max_length=20, choices=SendingPlatform, blank=True)
    # The confirmation of the outbound cutover, or the observed MX cutover of a received message:
    # an earlier message is no evidence for it.
    not_before = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    submitted_at = models.DateTimeField(default=database_time.known_now)
    runs = models.PositiveIntegerField(default=0)
    # Empty while it is pending. Finished without an observation: another message replaced it.
    finished_at = models.DateTimeField(null=True, blank=True)
    observation = models.ForeignKey(
        Observation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-submitted_at", "-pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["check_asked", "-submitted_at"], name="message_timeline")
        ]

    def __str__(self) -> str:
        return f"message shown {self.submitted_at:%Y-%m-%d %H:%M}"


class SubmittedExport(models.Model):
    """An export of the mail platform that a person submitted. Its bytes are deleted after reading.

    `tables` has the listed properties only.
    """

    # The problem of an export that a later one replaced before a worker read it.
    REPLACED = "replaced"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="submitted_exports", db_index=False
    )
    source = models.CharField(max_length=30)
    content = models.BinaryField(default=bytes)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    tables = models.JSONField(default=dict)
    # The time of the facts, as the script wrote it. Empty while nothing of it could be read.
    obtained_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    submitted_at = models.DateTimeField(default=database_time.known_now)
    # Empty while it waits for a worker.
    read_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=20, blank=True)
    problem_detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-submitted_at", "-pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "source", "-submitted_at"], name="export_timeline")
        ]

    def __str__(self) -> str:
        return f"export submitted {self.submitted_at:%Y-%m-%d %H:%M}"


class Worker(models.Model):
    """A Celery worker, by its last report (checks.workers). `seen_at` is the database's time."""

    name = models.CharField(max_length=200, unique=True)
    queues = models.JSONField(default=list)
    processes = models.PositiveIntegerField(default=1)
    version = models.CharField(max_length=40)
    # Seconds by which the clock of its machine is ahead of the database clock; negative: behind.
    clock_skew = models.FloatField(default=0)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds_behind(self) -> float:
        return -self.clock_skew


class Discovery(models.Model):
    """The result of scanning a domain's DNS. It is the source of suggestions, not a verdict."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    domain = models.OneToOneField(Domain, on_delete=models.CASCADE, related_name="discovery")
    requested_at = models.DateTimeField(default=database_time.known_now)
    # Empty until the first scan is done; `found` is the newest usable result.
    checked_at = models.DateTimeField(null=True, blank=True)
    found = models.JSONField(default=dict)
    has_failed = models.BooleanField(default=False)
    # Dismissed suggestions as `key=value`: another value is another suggestion.
    dismissed = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"discovery of {self.domain}"

    @property
    def is_in_progress(self) -> bool:
        return self.checked_at is None or self.checked_at < self.requested_at


class ProbeSlot(models.Model):
    """The time of the last connection to an address, by any tenant (checks.rate_limit)."""

    address = models.CharField(max_length=45)
    port = models.PositiveIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["address", "port"], name="one_slot_per_address")
        ]

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"


class HostAnswer(models.Model):
    """The answer of a host to the newest run of any tenant, shared for ten minutes."""

    kind = models.CharField(max_length=20, choices=KIND_CHOICES)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    vantage = models.CharField(max_length=40)
    answered_at = models.DateTimeField()
    verdict = models.CharField(max_length=20, choices=VERDICT_CHOICES)
    unanimous = models.BooleanField()
    findings = models.JSONField()
    evidence = models.JSONField()
    raw = models.JSONField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["kind", "host", "port", "vantage"], name="one_answer_per_question"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.host}:{self.port}"
