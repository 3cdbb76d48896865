"""The plan templates: versions on record, the next one's draft, its preview and publication."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.blueprints import drafting
from onboarding.blueprints.diff import diff, lost_guards
from onboarding.blueprints.on_record import blueprint_of, newest_template
from onboarding.blueprints.parts import Blueprint
from onboarding.blueprints.preview import preview_for, preview_of
from onboarding.errors import OnboardingError
from onboarding.forms.templates import ProfileAnswersForm, PublishForm
from onboarding.models import PlanTemplate, TemplateDraft
from onboarding.views.shared import signed_in
from tenants.access import act
from tenants.models import Tenant
from tenants.permissions import Act, may, staff_role_of
from tenants.queries import open_tenants_for


def _versions() -> QuerySet[PlanTemplate]:
    return PlanTemplate.objects.order_by("-version").select_related("published_by")


@act(Act.EDIT_TEMPLATES)
@require_GET
def templates_show(request: HttpRequest) -> HttpResponse:
    """The versions, newest first, and what one of them changed."""
    newest = newest_template()
    versions = list(_versions().defer("content").annotate(plans=Count("plan")))
    chosen = _chosen(request.GET.get("version", ""))
    before = _versions().filter(version__lt=chosen.version).first() if chosen else None
    context = {
        "versions": versions,
        "newest": newest,
        "draft": drafting.the_draft(),
        "chosen": chosen,
        "before": before,
        "diff": diff(blueprint_of(before), blueprint_of(chosen)) if chosen and before else None,
        "blueprint": blueprint_of(chosen) if chosen else None,
    }
    return render(request, "onboarding/templates.html", context)


def _chosen(wanted: str) -> PlanTemplate | None:
    if not wanted.isdecimal():
        return None
    return get_object_or_404(PlanTemplate, version=min(int(wanted), 2**31 - 1))


def no_draft(request: HttpRequest) -> HttpResponse:
    messages.error(request, str(drafting.NoDraft()))
    return redirect("onboarding:templates")


@act(Act.EDIT_TEMPLATES)
@require_GET
def draft_show(request: HttpRequest) -> HttpResponse:
    draft = drafting.the_draft()
    if draft is None:
        return no_draft(request)
    return render(request, "onboarding/template_draft.html", {"draft": draft})


@act(Act.EDIT_TEMPLATES)
@require_POST
def draft_begin(request: HttpRequest) -> HttpResponse:
    base = _chosen(request.POST.get("version", "")) or newest_template()
    try:
        if base is None:
            raise OnboardingError("No plan template is loaded yet: run manage.py load_templates.")
        drafting.begin(base, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
        return redirect("onboarding:templates")
    return redirect("onboarding:template-draft")


@act(Act.EDIT_TEMPLATES)
@require_POST
def draft_drop(request: HttpRequest) -> HttpResponse:
    seen = request.POST.get("seen", "")
    try:
        drafting.drop(seen=int(seen) if seen.isdecimal() else -1, by=signed_in(request))
    except drafting.NoDraft:
        return no_draft(request)
    except OnboardingError as error:
        messages.error(request, str(error))
        return redirect("onboarding:template-draft")
    messages.success(request, "The draft was dropped. The versions are as they were.")
    return redirect("onboarding:templates")


@act(Act.EDIT_TEMPLATES)
@require_GET
def draft_preview(request: HttpRequest) -> HttpResponse:
    """What a plan of a tenant, or of a profile, would hold."""
    draft = drafting.the_draft()
    if draft is None:
        return no_draft(request)
    blueprint = drafting.blueprint_of_draft(draft)
    tenants = open_tenants_for(signed_in(request)).filter(plan__isnull=False)
    wanted = request.GET.get("tenant", "")
    tenant = tenants.select_related("plan").filter(public_id=wanted).first() if wanted else None
    answers = ProfileAnswersForm(
        request.GET if "platform" in request.GET else None, products=blueprint.products
    )
    context = {
        "draft": draft,
        "tenants": tenants.order_by("name"),
        "tenant": tenant,
        "answers": answers,
        "preview": _preview(blueprint, tenant, answers),
    }
    return render(request, "onboarding/template_preview.html", context)


def _preview(blueprint: Blueprint, tenant: Tenant | None, answers: ProfileAnswersForm) -> object:
    if tenant is not None:
        return preview_for(blueprint, tenant)
    profile = answers.profile()
    return preview_of(blueprint, profile) if profile else None


@act(Act.EDIT_TEMPLATES)
@require_http_methods(["GET", "POST"])
def draft_publish(request: HttpRequest) -> HttpResponse:
    draft, newest = drafting.the_draft(), newest_template()
    if draft is None or newest is None:
        return no_draft(request)
    form = PublishForm(request.POST or None, initial={"seen": draft.revision})
    may_drop = may(staff_role_of(signed_in(request)), Act.DROP_GUARDS)
    if request.method == "POST" and form.is_valid():
        made = _publish(request, form, may_drop=may_drop)
        if made is not None:
            messages.success(request, f"Version {made.version} is what new plans take now.")
            return redirect("onboarding:templates")
    return _show_publish(request, draft, newest, form, may_drop=may_drop)


def _publish(request: HttpRequest, form: PublishForm, *, may_drop: bool) -> PlanTemplate | None:
    typed = form.cleaned_data
    try:
        return drafting.publish(
            note=typed["note"],
            seen=typed["seen"],
            accepts_loss=may_drop and typed["accepts_loss"],
            by=signed_in(request),
        )
    except OnboardingError as error:
        form.add_error(None, str(error))
    return None


def _show_publish(
    request: HttpRequest,
    draft: TemplateDraft,
    newest: PlanTemplate,
    form: PublishForm,
    *,
    may_drop: bool,
) -> HttpResponse:
    if form.is_bound:
        # Shown with the draft as it is now, so that publishing it is then deliberate.
        typed = {name: form.data.get(name, "") for name in ("note", "accepts_loss")}
        form.data = {**typed, "seen": draft.revision}
    before, after = blueprint_of(newest), drafting.blueprint_of_draft(draft)
    context = {
        "draft": draft,
        "newest": newest,
        "form": form,
        "diff": diff(before, after),
        "lost": lost_guards(before, after),
        "may_drop": may_drop,
        "empty": [phase["title"] for phase in draft.content["phases"] if not phase["tasks"]],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/template_publish.html", context, status=status)
