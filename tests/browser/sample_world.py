"""The sample people and tenants of `make run`, with the settled verdicts of a running lab.

The time is frozen and the lab never changes, so that every start shows the same pages.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import F

from checks.lab.addresses import LabEndpoints, routing
from checks.models import Check
from checks.tasks import run_checks
from onboarding.management.sample import CLIENT, CONSULTANT, MANAGER, load_sample
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.interop.processes import free_port

# A Monday morning, in the working hours of most sample tenants.
NOW = at("Mon 14:00")
# No product of this machine takes this block (checks.lab.addresses.LAST_BLOCK).
_BLOCK = 88
_HOST = "127.0.0.1"
_SERVE = """
import asyncio, json, sys
from pathlib import Path
from checks.lab.addresses import LabEndpoints
from checks.lab.serve import serve
from checks.lab.zones import Lab
endpoints = LabEndpoints(**json.loads(sys.argv[2]))
asyncio.run(serve(Lab(Path(sys.argv[1])), endpoints, lambda: print("serving", flush=True)))
"""
# Enough runs to settle each verdict.
_ROUNDS = 4
_BETWEEN = timedelta(seconds=90)


@dataclass(frozen=True)
class SampleWorld:
    """The sample people by role, the tenants by name, and the frozen time."""

    people: dict[str, User | None]
    tenants: dict[str, Tenant]
    now: datetime

    @property
    def northwind(self) -> Tenant:
        return self.tenants["Northwind Traders"]


@contextlib.contextmanager
def served_lab(folder: Path, settings: Any) -> Iterator[LabEndpoints]:
    """Serve the lab in a process of its own, and let the checks of this process query it."""
    endpoints = LabEndpoints(
        block=_BLOCK, port=free_port(_HOST), smtp_port=free_port(_HOST), ldaps_port=free_port(_HOST)
    )
    route = routing(endpoints, folder)
    settings.LAB, settings.LAB_DIR, settings.LAB_PLACES = True, folder, endpoints
    settings.CHECKS_ALLOWED_NETWORKS = [route.allowed_network]
    settings.CHECKS_ROUTES = [(route.suffix, list(route.nameservers), route.authoritative_port)]
    settings.CHECKS_EXTRA_CA_FILE = str(route.ca_file)
    settings.CHECKS_CONTROL_TARGET = (endpoints.control_host, endpoints.smtp_port)
    command = [sys.executable, "-c", _SERVE, str(folder), _as_json(endpoints)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "serving\n"
            yield endpoints
        finally:
            process.terminate()


def _as_json(endpoints: LabEndpoints) -> str:
    return json.dumps(asdict(endpoints))


def create_sample_world(endpoints: LabEndpoints, clock: Clock) -> SampleWorld:
    """Load the sample and run every check until its verdict is settled."""
    register_builtin_templates()
    load_sample(smtp_port=endpoints.smtp_port, ldaps_port=endpoints.ldaps_port)
    # The sample people know their pages: no picture offers the tour.
    User.objects.filter(staff_role="").update(ended_tour="owner")
    User.objects.exclude(staff_role="").update(ended_tour=F("staff_role"))
    for _ in range(_ROUNDS):
        clock.move_to(clock.now + _BETWEEN)
        run_checks(list(Check.objects.filter(is_active=True).values_list("pk", flat=True)))
    by_address = {user.email: user for user in User.objects.all()}
    people = {
        role: by_address[address]
        for role, (address, _) in (
            ("consultant", CONSULTANT),
            ("manager", MANAGER),
            ("client", CLIENT),
        )
    }
    tenants = {tenant.name: tenant for tenant in Tenant.objects.all()}
    return SampleWorld({**people, "signed-out": None}, tenants, clock.now)
