"""Writing about a task."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import talk
from onboarding.errors import NotYours, OnboardingError
from onboarding.file_types import RefusedFile
from onboarding.forms.words import CommentForm
from onboarding.models import Comment, Cutover, Sheet, Task
from onboarding.plans import task_acts
from onboarding.uploads import was_too_large
from onboarding.views.plan import back_to_plan, load_task
from onboarding.views.shared import signed_in
from tenants.access import act
from tenants.models import Tenant
from tenants.permissions import Act
from tenants.queries import tenants_for
from tenants.throttle import throttled


@act(Act.TALK)
@require_http_methods(["GET", "POST"])
@throttled("comment-add", "300/h")
def comment_add(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    """Write a comment; one that cannot be kept comes back whole, with the reason beside it."""
    tenant, task = load_task(request, public_id, task_id)
    user = signed_in(request)
    side = task_acts.side_of(user, tenant)
    answers = _answered(request, task)
    form = CommentForm(
        request.POST or None, request.FILES or None, side=side, too_large=was_too_large(request)
    )
    if request.method == "POST" and form.is_valid():
        try:
            talk.add_comment(task, form.words(), by=user, side=side, answers=answers)
        except NotYours as error:
            raise PermissionDenied(str(error)) from error
        except RefusedFile as error:
            form.add_error("file", f"{error} Your words are kept here.")
        except OnboardingError as error:
            form.add_error("body", str(error))
        else:
            return _back(request, tenant, task)
    context = {
        "tenant": tenant,
        "task": task,
        "form": form,
        "answers": answers,
        "origin": _origin(request),
        "back": _back(request, tenant, task)["Location"],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/comment_add.html", context, status=status)


def _origin(request: HttpRequest) -> str:
    """The page somebody writes from, where it is not the plan: the id of its sheet or cutover."""
    return request.POST.get("from") or request.GET.get("from", "")


def _back(request: HttpRequest, tenant: Tenant, task: Task) -> HttpResponse:
    origin = _origin(request)
    if origin and Sheet.objects.filter(task=task, public_id=origin).exists():
        page = redirect("onboarding:sheet-show", public_id=tenant.public_id, sheet_id=origin)
    elif origin and Cutover.objects.filter(plan=task.plan_id, public_id=origin).exists():
        page = redirect("onboarding:cutover-room", public_id=tenant.public_id, cutover_id=origin)
    else:
        return back_to_plan(request, tenant, task)
    page["Location"] += "#talk"
    return page


@act(Act.OPEN_HOME)
@require_GET
def mentions(request: HttpRequest) -> HttpResponse:
    """Where others named the reader, in the tenants they may see."""
    user = signed_in(request)
    found = talk.mentions_for(user, tenants_for(user)).prefetch_related("mentions")[:50]
    return render(request, "onboarding/mentions.html", {"comments": found})


def _answered(request: HttpRequest, task: Task) -> Comment | None:
    """The question that this is to answer, if it says so."""
    wanted = request.POST.get("answers") or request.GET.get("answers")
    if not wanted:
        return None
    return get_object_or_404(Comment, task=task, public_id=wanted, is_internal=False)


@act(Act.TALK)
@require_POST
def comment_take_back(
    request: HttpRequest, public_id: str, task_id: str, comment_id: str
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    comment = _comment_for(request, tenant, task, comment_id)
    try:
        talk.take_back(comment, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    return _back(request, tenant, task)


def _comment_for(request: HttpRequest, tenant: Tenant, task: Task, comment_id: str) -> Comment:
    """A comment that this reader may know of; an internal note is none for a client."""
    comment = get_object_or_404(
        Comment.objects.select_related("plan__tenant", "task"), task=task, public_id=comment_id
    )
    if comment.is_internal and task_acts.side_of(signed_in(request), tenant) != "mimecast":
        raise Http404("No such comment.")
    return comment
