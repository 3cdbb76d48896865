"""URLs of the plan template editor and of the upgrade of one plan."""

from __future__ import annotations

from django.urls import path

from onboarding.plan_templates.views import draft, upgrade, versions

urlpatterns = [
    path("templates/", versions.templates_show, name="template-list"),
    path("templates/draft/", versions.draft_show, name="template-draft"),
    path("templates/draft/create/", versions.draft_create, name="template-draft-create"),
    path("templates/draft/discard/", versions.draft_discard, name="template-draft-discard"),
    path("templates/draft/preview/", versions.draft_preview, name="template-preview"),
    path("templates/draft/publish/", versions.draft_publish, name="template-publish"),
    path("templates/draft/tasks/", draft.task_add, name="template-task-add"),
    path("templates/draft/tasks/<str:key>/", draft.task_edit, name="template-task"),
    path("templates/draft/tasks/<str:key>/move/", draft.task_move, name="template-task-move"),
    path("templates/draft/tasks/<str:key>/remove/", draft.task_remove, name="template-task-remove"),
    path("templates/draft/sources/", draft.source_add, name="template-source-add"),
    path("templates/draft/sources/<str:key>/", draft.source_edit, name="template-source"),
    path(
        "templates/draft/sources/<str:key>/remove/",
        draft.source_remove,
        name="template-source-remove",
    ),
    path("templates/draft/phases/", draft.phase_add, name="template-phase-add"),
    path("templates/draft/phases/<str:key>/", draft.phase_edit, name="template-phase"),
    path("templates/draft/phases/<str:key>/move/", draft.phase_move, name="template-phase-move"),
    path(
        "templates/draft/phases/<str:key>/remove/", draft.phase_remove, name="template-phase-remove"
    ),
]

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("upgrade/", upgrade.plan_version, name="plan-upgrade"),
]
