"""The record, the status and the limits of the tests from a record to a verified task."""

from __future__ import annotations

WITHIN_SECONDS = 60
# The first runs start after all services, on a machine that may be busy.
FIRST_WITHIN_SECONDS = 180
STATUS = """
    SELECT task.status FROM onboarding_task task
    JOIN onboarding_plan plan ON plan.id = task.plan_id
    JOIN tenants_tenant tenant ON tenant.id = plan.tenant_id
    WHERE tenant.name = 'Northwind Traders' AND task.key = '{key}'
"""
DOMAIN = "northwind-co.test"
NEW_SPF = "v=spf1 mx ip4:198.51.100.0/24 include:us._netblocks.mimecast.test ~all"
