"""Pages of the stored versions and of the draft, its preview and its publication."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.models import PlanTemplate, TemplateDraft
from onboarding.plan_templates import drafts
from onboarding.plan_templates.diff import diff, losses
from onboarding.plan_templates.forms import ProfileAnswersForm, PublishForm
from onboarding.plan_templates.preview import preview_for, preview_of
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plan_templates.schema import TemplateVersion
from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.models import Tenant
from tenants.permissions import Permission, may, staff_role_of
from tenants.queries import open_tenants_for


def _versions() -> QuerySet[PlanTemplate]:
    return PlanTemplate.objects.order_by("-version").select_related("published_by")


@require(Permission.EDIT_TEMPLATES)
@require_GET
def templates_show(request: HttpRequest) -> HttpResponse:
    """The versions, newest first, and the changes of one of them."""
    newest = newest_template()
    versions = list(_versions().defer("content").annotate(plans=Count("plan")))
    chosen = _chosen(request.GET.get("version", ""))
    before = _versions().filter(version__lt=chosen.version).first() if chosen else None
    context = {
        "versions": versions,
        "newest": newest,
        "draft": drafts.current_draft(),
        "chosen": chosen,
        "before": before,
        "diff": diff(template_version_of(before), template_version_of(chosen))
        if chosen and before
        else None,
        "template_version": template_version_of(chosen) if chosen else None,
    }
    return render(request, "plan_templates/template_list.html", context)


def _chosen(wanted: str) -> PlanTemplate | None:
    if not wanted.isdecimal():
        return None
    return get_object_or_404(PlanTemplate, version=min(int(wanted), 2**31 - 1))


def no_draft(request: HttpRequest) -> HttpResponse:
    messages.error(request, str(drafts.DraftNotFound()))
    return redirect("onboarding:template-list")


@require(Permission.EDIT_TEMPLATES)
@require_GET
def draft_show(request: HttpRequest) -> HttpResponse:
    draft = drafts.current_draft()
    if draft is None:
        return no_draft(request)
    return render(request, "plan_templates/draft_show.html", {"draft": draft})


@require(Permission.EDIT_TEMPLATES)
@require_POST
def draft_create(request: HttpRequest) -> HttpResponse:
    base = _chosen(request.POST.get("version", ""))
    with errors_as_message(request):
        drafts.start_draft(base, by=current_user(request))
        return redirect("onboarding:template-draft")
    return redirect("onboarding:template-list")


@require(Permission.EDIT_TEMPLATES)
@require_POST
def draft_discard(request: HttpRequest) -> HttpResponse:
    expected = request.POST.get("expected", "")
    with errors_as_message(request) as attempt:
        drafts.delete_draft(
            expected=int(expected) if expected.isdecimal() else -1, by=current_user(request)
        )
        messages.success(request, "The draft was discarded. The versions are unchanged.")
    if attempt.succeeded or isinstance(attempt.error, drafts.DraftNotFound):
        return redirect("onboarding:template-list")
    return redirect("onboarding:template-draft")


@require(Permission.EDIT_TEMPLATES)
@require_GET
def draft_preview(request: HttpRequest) -> HttpResponse:
    """Preview the draft for a tenant or for a profile."""
    draft = drafts.current_draft()
    if draft is None:
        return no_draft(request)
    template_version = drafts.version_of_draft(draft)
    tenants = open_tenants_for(current_user(request)).filter(plan__isnull=False)
    wanted = request.GET.get("tenant", "")
    tenant = tenants.select_related("plan").filter(public_id=wanted).first() if wanted else None
    answers = ProfileAnswersForm(
        request.GET if "platform" in request.GET else None, products=template_version.products
    )
    context = {
        "draft": draft,
        "tenants": tenants.order_by("name"),
        "tenant": tenant,
        "answers": answers,
        "preview": _preview(template_version, tenant, answers),
    }
    return render(request, "plan_templates/draft_preview.html", context)


def _preview(
    template_version: TemplateVersion, tenant: Tenant | None, answers: ProfileAnswersForm
) -> object:
    if tenant is not None:
        return preview_for(template_version, tenant)
    profile = answers.profile()
    return preview_of(template_version, profile) if profile else None


@require(Permission.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def draft_publish(request: HttpRequest) -> HttpResponse:
    draft, newest = drafts.current_draft(), newest_template()
    if draft is None or newest is None:
        return no_draft(request)
    form = PublishForm(request.POST or None, initial={"expected": draft.revision})
    may_publish_without_guards = may(
        staff_role_of(current_user(request)), Permission.PUBLISH_WITHOUT_GUARDS
    )
    if request.method == "POST" and form.is_valid():
        made = _publish(request, form, may_publish_without_guards=may_publish_without_guards)
        if made is not None:
            messages.success(request, f"Version {made.version} is published. New plans use it.")
            return redirect("onboarding:template-list")
    return _show_publish(
        request, draft, newest, form, may_publish_without_guards=may_publish_without_guards
    )


def _publish(
    request: HttpRequest, form: PublishForm, *, may_publish_without_guards: bool
) -> PlanTemplate | None:
    typed = form.cleaned_data
    with errors_on_form(form):
        return drafts.publish(
            note=typed["note"],
            expected=typed["expected"],
            accepts_losses=may_publish_without_guards and typed["accepts_losses"],
            by=current_user(request),
        )
    return None


def _show_publish(
    request: HttpRequest,
    draft: TemplateDraft,
    newest: PlanTemplate,
    form: PublishForm,
    *,
    may_publish_without_guards: bool,
) -> HttpResponse:
    if form.is_bound:
        # The page shows the current draft, so the next attempt publishes what the person sees.
        typed = {name: form.data.get(name, "") for name in ("note", "accepts_losses")}
        form.data = {**typed, "expected": draft.revision}
    before, after = template_version_of(newest), drafts.version_of_draft(draft)
    context = {
        "draft": draft,
        "newest": newest,
        "form": form,
        "diff": diff(before, after),
        "lost": losses(before, after),
        "may_publish_without_guards": may_publish_without_guards,
        "empty": [phase["title"] for phase in draft.content["phases"] if not phase["tasks"]],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "plan_templates/draft_publish.html", context, status=status)
