"""How much room observations take, measured in the database, and a year of looking at that rate."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from checks.models import Check, Observation, RawAnswers

# Checks that every domain has at the most: ownership, SPF, DKIM, DMARC, MTA-STS, MX TTL, MX.
KINDS_PER_DOMAIN = 7
# A text record at the apex is seen by ownership and SPF, an MX set by MX and MX TTL.
KINDS_PER_CHANGE = 2


@dataclass(frozen=True)
class StorageUse:
    """Rows, and bytes on disk with their indexes. Observations are counted with raw answers."""

    observations: int
    observation_bytes: int
    checks: int
    check_bytes: int

    def bytes_per_year(
        self, *, domains: int, changes: int, touched: int = KINDS_PER_CHANGE
    ) -> float:
        """Bytes of a year in which each domain changes `changes` times, in `touched` of its checks.

        Looks in between extend a row, however often they come, so their number does not matter.
        """
        checks = domains * KINDS_PER_DOMAIN
        per_observation = self.observation_bytes / max(1, self.observations)
        per_check = self.check_bytes / max(1, self.checks)
        observations = checks + domains * changes * touched
        return checks * per_check + observations * per_observation


def measure() -> StorageUse:
    """Ask PostgreSQL for the sizes of the tables as they stand."""
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
