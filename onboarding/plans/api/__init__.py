"""The endpoints of plans: tasks and their transitions, the schedule, and test messages."""

from __future__ import annotations

from onboarding.plans.api import schedule, tasks, test_messages

urlpatterns = [*tasks.urlpatterns]
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    *tasks.tenant_urlpatterns,
    *schedule.tenant_urlpatterns,
    *test_messages.tenant_urlpatterns,
]
