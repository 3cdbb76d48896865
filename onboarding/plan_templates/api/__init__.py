"""The endpoints of plan templates: versions, the draft with its parts, and upgrades of plans."""

from __future__ import annotations

from onboarding.plan_templates.api import draft, draft_parts, upgrade, versions

# The draft comes first: its address would be that of a version.
urlpatterns = [*draft.urlpatterns, *draft_parts.urlpatterns, *versions.urlpatterns]
# Below tenants/<public_id>/.
tenant_urlpatterns = [*upgrade.tenant_urlpatterns]
