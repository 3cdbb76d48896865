"""The disk space of observations, measured in the database, and the projection for a year."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from checks.models import Check, Observation, RawAnswers

# The checks of one domain at most: ownership, SPF, DKIM, DMARC, MTA-STS, MX TTL, MX.
KINDS_PER_DOMAIN = 7
# Ownership and SPF read the TXT records at the apex, MX and MX TTL the MX set.
KINDS_PER_CHANGE = 2


@dataclass(frozen=True)
class StorageUse:
    """Rows, and bytes on disk including indexes. Observations include their raw answers."""

    observations: int
    observation_bytes: int
    checks: int
    check_bytes: int

    def bytes_per_year(
        self, *, domains: int, changes: int, touched: int = KINDS_PER_CHANGE
    ) -> float:
        """Return the bytes of a year with `changes` changes per domain, in `touched` of its checks.

        Runs in between extend a row, so their number does not matter.
        """
        checks = domains * KINDS_PER_DOMAIN
        per_observation = self.observation_bytes / max(1, self.observations)
        per_check = self.check_bytes / max(1, self.checks)
        observations = checks + domains * changes * touched
        return checks * per_check + observations * per_observation


def measure() -> StorageUse:
    """Read the present table sizes from PostgreSQL."""
    return StorageUse(
        observations=Observation.objects.count(),
        observation_bytes=_bytes_of(Observation) + _bytes_of(RawAnswers),
        checks=Check.objects.count(),
        check_bytes=_bytes_of(Check),
    )


def _bytes_of(model: type[Check | Observation | RawAnswers]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [model._meta.db_table])
        return int(cursor.fetchone()[0])
