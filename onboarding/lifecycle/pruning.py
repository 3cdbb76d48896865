"""Prune the history of completed implementations.

The checks of a completed implementation continue for years, so their history grows without end. An
observation is pruned if all of these apply:

1. It began after the implementation was completed. All earlier ones belong to the implementation:
   its tasks, decisions, snapshots and its closing pack rest on them.
2. It ended more than `MONITORING_HISTORY_DAYS` days ago.
3. It is not among the newest observations of its check, which the pages show.
4. No drift and no submitted message refers to it, and no timeline of a cutover shows it.
5. Its check is of a kind whose old answers have no effect today. Safe times, original TTLs and
   cached policies follow from the whole history of the MX and the MTA-STS policy, and a message is
   the statement of a person.

Raw answers are pruned with the last observation that refers to them.
"""

from __future__ import annotations

import functools
import operator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from checks import claims
from checks.engine.outcomes import MESSAGE_KINDS, CheckKind
from checks.models import Check, Observation, RawAnswers, SubmittedMessage
from checks.queries import MOST_SHOWN
from onboarding.cutovers.timeline import shown_observations
from onboarding.models import Cutover, Drift
from tenants.models import Tenant

RETAINED_KINDS = (CheckKind.MX, CheckKind.MX_TTL, CheckKind.MTA_STS, *MESSAGE_KINDS)
# The checks of a tenant are locked while a batch is deleted.
BATCH_SIZE = 500
# The next daily run continues.
MOST_BATCHES = 20


def prune_history(tenant: Tenant, *, now: datetime) -> int:
    """Delete the prunable observations in batches. Returns their number. Safe to run twice."""
    pruned = 0
    for _ in range(MOST_BATCHES):
        deleted = _prune_batch(tenant, now=now)
        pruned += deleted
        if deleted < BATCH_SIZE:
            break
    return pruned


def prunable(tenant: Tenant, *, now: datetime) -> QuerySet[Observation]:
    """The observations that no page, task, drift, timeline or closing pack uses."""
    if tenant.completed_at is None:
        return Observation.objects.none()
    ended_before = now - timedelta(days=settings.MONITORING_HISTORY_DAYS)
    old = Observation.objects.filter(check_asked__tenant=tenant, last_seen_at__lt=ended_before)
    shown = Q(pk__in=_newest(tenant)) | Q(check_asked__kind__in=RETAINED_KINDS)
    return old.exclude(implementation_observations(tenant) | shown)


def implementation_observations(tenant: Tenant) -> Q:
    """The condition of the observations on which tasks, drifts, timelines and decisions rest.

    The closing pack contains exactly these.
    """
    references = (
        (Check, "latest"),
        (Drift, "observation"),
        (Drift, "resolving_observation"),
        (SubmittedMessage, "observation"),
    )
    referred = [
        Q(Exists(model._base_manager.filter(**{name: OuterRef("pk")})))
        for model, name in references
    ]
    cutovers = Cutover.all_objects.filter(plan__tenant=tenant)
    shown = [shown_observations(each) for each in cutovers]
    began = Q(first_seen_at__lte=tenant.completed_at) if tenant.completed_at else Q(pk__gt=0)
    return functools.reduce(operator.or_, (*referred, *shown), began)


def _newest(tenant: Tenant) -> QuerySet[Observation, Any]:
    """The newest observations of each check, in the order of its page."""
    rank = Window(
        RowNumber(),
        partition_by=F("check_asked"),
        order_by=[F("first_seen_at").desc(), F("pk").desc()],
    )
    ranked = Observation.objects.filter(check_asked__tenant=tenant).annotate(rank=rank)
    return ranked.filter(rank__lte=MOST_SHOWN).order_by().values("pk")


def _prune_batch(tenant: Tenant, *, now: datetime) -> int:
    if not prunable(tenant, now=now).exists():
        return 0
    with transaction.atomic():
        # A run that is recorded now may refer to the same raw answers.
        claims.lock(Check.objects.filter(tenant=tenant))
        batch = dict(prunable(tenant, now=now).values_list("pk", "raw")[:BATCH_SIZE])
        Observation.objects.filter(pk__in=batch).delete()
        raw = RawAnswers.objects.filter(tenant=tenant, pk__in={*batch.values()} - {None})
        raw.exclude(Exists(Observation.objects.filter(raw=OuterRef("pk")))).delete()
    return len(batch)
