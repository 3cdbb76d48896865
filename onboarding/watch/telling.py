"""Telling people of drifts: one message for each change of state, none twice, none while muted.

1. A change is due once nothing else of the tenant has changed for some minutes, or at the latest
   after a while: what settles together is told together.
2. What was opened and ended before anybody was told is told to nobody; the page has it.
3. The letters and the notes of what they tell are made in one transaction; sending comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from smtplib import SMTPException

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from onboarding.models import Drift, DriftLetter
from tenants.mails import send_mail_to
from tenants.models import Membership, Tenant, User
from tenants.permissions import role_in

# However much goes on changing, nobody waits for longer than this many times the quiet.
_LATEST = 4
_CLAIM_FOR = timedelta(minutes=3)
_AGAIN_AFTER = timedelta(minutes=5)
# A mail server that has taken nothing for so long will not: the page has it all.
_GIVEN_UP_AFTER = timedelta(days=3)
_TOLD_ROLES = (Membership.Role.OWNER, Membership.Role.MEMBER)


class What(StrEnum):
    OPENED = "opened"
    STILL = "still"
    ENDED = "ended"


@dataclass(frozen=True)
class Change:
    drift: Drift
    what: What
    at: datetime

    @property
    def kept(self) -> dict[str, str]:
        drift = self.drift
        return {
            "drift": drift.public_id,
            "kind": drift.kind,
            "title": drift.get_kind_display(),
            "subject": drift.subject,
            "what": self.what.value,
            "ending": drift.ending,
        }


def change_of(drift: Drift, now: datetime) -> Change | None:
    """What is to be told of a drift; None where it was told, or is muted. Pure."""
    if not drift.is_open:
        return _ended(drift)
    if drift.is_muted(now):
        return None
    if drift.told_opened_at is None:
        return Change(
            drift, What.OPENED, max(drift.opened_at, drift.muted_until or drift.opened_at)
        )
    if drift.muted_until is not None and drift.told_opened_at < drift.muted_until:
        return Change(drift, What.STILL, drift.muted_until)
    return None


def _ended(drift: Drift) -> Change | None:
    closed_at = drift.closed_at
    assert closed_at is not None
    was_told = drift.told_opened_at is not None and drift.told_closed_at is None
    if not was_told or drift.is_muted(closed_at) or drift.ending == Drift.Ending.LET_GO:
        return None
    return Change(drift, What.ENDED, closed_at)


def _untold(now: datetime) -> QuerySet[Drift]:
    is_new = Q(closed_at=None, told_opened_at=None)
    is_still_so = Q(closed_at=None, told_opened_at__lt=F("muted_until"))
    is_over = Q(closed_at__isnull=False, told_opened_at__isnull=False, told_closed_at=None)
    is_heard = Q(muted_until=None) | Q(muted_until__lte=now)
    was_heard = Q(muted_until=None) | Q(muted_until__lte=F("closed_at"))
    is_told = ~Q(ending=Drift.Ending.LET_GO)
    return Drift.objects.filter(
        ((is_new | is_still_so) & is_heard) | (is_over & was_heard & is_told)
    )


def tenants_to_tell(now: datetime) -> QuerySet[Tenant]:
    """Those with something untold; a tenant that was closed uncompleted is watched no more."""
    is_looked_at = Q(archived_at=None) | Q(completed_at__isnull=False)
    return Tenant.objects.filter(is_looked_at, pk__in=_untold(now).values("tenant"))


def make_letters(tenant: Tenant, *, now: datetime) -> list[DriftLetter]:
    """Letters about all that is due, and the notes that it is told; none while more may follow."""
    with transaction.atomic():
        # Of two workers the second waits here, and finds nothing untold.
        rows = _untold(now).filter(tenant=tenant).select_for_update().order_by("pk")
        changes = [change for drift in rows for change in [change_of(drift, now)] if change]
        people = people_to_tell(tenant)
        if not changes or not people or not _is_ripe(changes, now):
            return []
        kept = [change.kept for change in sorted(changes, key=lambda change: change.at)]
        letters = [
            DriftLetter.objects.create(tenant=tenant, person=person, changes=kept, made_at=now)
            for person in people
        ]
        _note(changes, now)
    return letters


def _is_ripe(changes: Sequence[Change], now: datetime) -> bool:
    quiet = timedelta(seconds=settings.DRIFT_QUIET_SECONDS)
    moments = [change.at for change in changes]
    return now - max(moments) >= quiet or now - min(moments) >= quiet * _LATEST


def _note(changes: Iterable[Change], now: datetime) -> None:
    for change in changes:
        column = "told_closed_at" if change.what is What.ENDED else "told_opened_at"
        Drift.objects.filter(pk=change.drift.pk).update(**{column: now})


def people_to_tell(tenant: Tenant) -> list[User]:
    """The consultant, and the client's people who act."""
    members = Membership.objects.filter(tenant=tenant, role__in=_TOLD_ROLES).values("user")
    is_told = Q(pk__in=members) | Q(pk=tenant.consultant_id)
    return list(User.objects.filter(is_told, is_active=True).order_by("pk"))


# --- Sending


def unsent(now: datetime) -> QuerySet[DriftLetter]:
    is_free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    return DriftLetter.objects.filter(is_free, sent_at=None, made_at__gt=now - _GIVEN_UP_AFTER)


def send(letter: DriftLetter, *, now: datetime) -> bool:
    """Send it unless another worker has it. A mail server that takes nothing is asked again."""
    mine = unsent(now).filter(pk=letter.pk).update(claimed_until=now + _CLAIM_FOR)
    if not mine:
        return False
    if role_in(letter.person, letter.tenant) is None:
        # Gone since it was made: it is nobody's business any more.
        letter.delete()
        return False
    try:
        send_mail_to(
            letter.person.email,
            "drift",
            _said(letter),
            message_id=f"<{letter.public_id}.drift@{_mail_domain()}>",
        )
    except (SMTPException, OSError):
        DriftLetter.objects.filter(pk=letter.pk).update(claimed_until=now + _AGAIN_AFTER)
        raise
    return bool(DriftLetter.objects.filter(pk=letter.pk, sent_at=None).update(sent_at=now))


def _said(letter: DriftLetter) -> dict[str, object]:
    tenant = letter.tenant
    path = reverse("onboarding:watch", args=[tenant.public_id])
    return {
        "tenant": tenant,
        "person": letter.person,
        "changes": letter.changes,
        "lasting": [c for c in letter.changes if c["what"] != What.ENDED],
        "ended": [c for c in letter.changes if c["what"] == What.ENDED],
        # Nobody asked for this letter, so no request knows our address.
        "link": settings.SITE_URL + path if settings.SITE_URL else "",
    }


def _mail_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
