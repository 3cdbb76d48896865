"""Plan templates: their versions and the draft of the next one."""

from __future__ import annotations

from django.urls import path

from onboarding.views import template_steps, templates

urlpatterns = [
    path("templates/", templates.templates_show, name="templates"),
    path("templates/draft/", templates.draft_show, name="template-draft"),
    path("templates/draft/begin/", templates.draft_begin, name="template-draft-begin"),
    path("templates/draft/drop/", templates.draft_drop, name="template-draft-drop"),
    path("templates/draft/preview/", templates.draft_preview, name="template-preview"),
    path("templates/draft/publish/", templates.draft_publish, name="template-publish"),
    path("templates/draft/steps/", template_steps.step_add, name="template-step-add"),
    path("templates/draft/steps/<str:key>/", template_steps.step_edit, name="template-step"),
    path(
        "templates/draft/steps/<str:key>/move/",
        template_steps.step_move,
        name="template-step-move",
    ),
    path(
        "templates/draft/steps/<str:key>/remove/",
        template_steps.step_remove,
        name="template-step-remove",
    ),
    path("templates/draft/phases/", template_steps.phase_add, name="template-phase-add"),
    path("templates/draft/phases/<str:key>/", template_steps.phase_edit, name="template-phase"),
    path(
        "templates/draft/phases/<str:key>/move/",
        template_steps.phase_move,
        name="template-phase-move",
    ),
    path(
        "templates/draft/phases/<str:key>/remove/",
        template_steps.phase_remove,
        name="template-phase-remove",
    ),
]
