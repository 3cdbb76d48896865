"""Tenants and zones of a soak: copies of one tenant, each with zones of its own in the lab."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace

from checks.lab.zone_records import LabState, Zone
from checks.lab.zones import Lab
from tests.drills.drill import Drill

DOMAINS_PER_TENANT = 4
# A zone whose mail goes to Mimecast, and one whose mail does not.
_SWITCHED, _OLD = "nwt-test.test", "contoso.test"
_CREATE = """
import json
from onboarding.lifecycle.tenants import ProfileEntry, create_tenant
from tenants.models import Domain, Tenant, User
from tests.tenant_copies import copy_of, record
from django.db import connection
sample = Tenant.objects.get(name="Tailspin Aero")
by = User.objects.get(email="consultant@gangway.test")
first = Tenant(
    name="Soak 0", region=sample.region, region_overrides=sample.region_overrides,
    platform=sample.platform, directory_method=sample.directory_method,
    authentication=sample.authentication, consultant=by, is_sample=True,
)
domains = [
    Domain(name=f"d{{n}}.test", role="secondary" if n else "primary") for n in range({domains})
]
create_tenant(first, ProfileEntry(domains, [], consented=[]), by=by)
recorded = record(first)
tenants = [first, *(copy_of(recorded, f"Soak {{n}}") for n in range(1, {tenants}))]
with connection.cursor() as cursor:
    cursor.execute(
        "UPDATE tenants_domain d SET name = 's' || t.id || '-' || d.name FROM tenants_tenant t"
        " WHERE t.id = d.tenant_id AND t.name LIKE 'Soak %%'"
    )
for n in range({people}):
    address = f"soak{{n}}@gangway.test"
    User.objects.create_user(address, None, name=f"P {{n}}", staff_role="consultant")
names = Domain.objects.filter(tenant__in=tenants).order_by("pk").values_list("name", flat=True)
print(json.dumps([list(names), [tenant.public_id for tenant in tenants]]))
"""


class SoakWorld:
    """The domains, whether the mail of each goes to Mimecast, and the tenants' public ids."""

    def __init__(self, drill: Drill, *, tenants: int, people: int) -> None:
        self.drill = drill
        self.lab = Lab(drill.product.folder / "lab")
        code = _CREATE.format(domains=DOMAINS_PER_TENANT, tenants=tenants, people=people)
        names, self.tenants = json.loads(drill.shell(code))
        self.is_switched = dict.fromkeys(names, False)
        self._publish(names)

    def switch(self, number: int) -> list[str]:
        """Switch the mail of some domains that were not switched yet."""
        left = self.names_of(is_switched=False)
        chosen = random.sample(left, min(number, len(left)))
        self.switch_these(chosen)
        return chosen

    def switch_these(self, names: Iterable[str]) -> None:
        chosen = list(names)
        self.is_switched.update(dict.fromkeys(chosen, True))
        self._publish(chosen)

    def names_of(self, *, is_switched: bool) -> list[str]:
        return [name for name, state in self.is_switched.items() if state == is_switched]

    def _publish(self, names: Iterable[str]) -> None:
        def step(state: LabState) -> LabState:
            zones = dict(state.zones)
            for name in names:
                source = zones[_SWITCHED if self.is_switched[name] else _OLD]
                serial = zones[name].serial + 1 if name in zones else 1
                zones[name] = Zone(serial, source.records)
            return replace(state, zones=zones)

        self.lab.change(step)

    def request_runs(self, names: list[str]) -> list[int]:
        """Make the MX checks of the domains due, as "Check now" does. Returns their ids."""
        found = self.drill.query(
            "UPDATE checks_check c SET next_due_at = now(),"
            " requested_until = now() + interval '2 minutes'"
            " FROM tenants_domain d WHERE d.id = c.domain_id AND d.name = ANY(%s)"
            " AND c.kind = 'mx' AND c.is_active RETURNING c.id",
            names,
        )
        return [pk for (pk,) in found]

    def wrong(self) -> list[str]:
        """The domains whose settled MX verdict differs from their zone."""
        rows = self.drill.query(
            "SELECT d.name, c.settled_verdict FROM checks_check c"
            " JOIN tenants_domain d ON d.id = c.domain_id"
            " WHERE d.name = ANY(%s) AND c.kind = 'mx' AND c.is_active",
            list(self.is_switched),
        )
        assert len(rows) == len(self.is_switched)
        return [
            f"{name}: {verdict}"
            for name, verdict in rows
            if (verdict in ("pass", "warn")) != self.is_switched[name]
        ]
