"""Comments on tasks, and mentions."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.collaboration import comments
from onboarding.collaboration.file_types import RejectedFile
from onboarding.collaboration.forms import CommentForm
from onboarding.collaboration.uploads import was_too_large
from onboarding.error_responses import catch_errors, errors_as_message
from onboarding.models import Comment, Cutover, RequirementsSheet, Task
from onboarding.plans.recipients import side_of
from onboarding.plans.tenant_page import current_user
from onboarding.plans.views.tasks import back_to_plan, load_task
from tenants.access import require
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.queries import tenants_for
from tenants.throttle import throttled


def _show_refusal(form: CommentForm, error: Exception | None) -> None:
    if isinstance(error, RejectedFile):
        form.add_error("file", f"{error} Your text is still in the form.")
    else:
        form.add_error("body", str(error))


@require(Permission.COMMENT)
@require_http_methods(["GET", "POST"])
@throttled("comment-add", "300/h")
def comment_add(request: HttpRequest, public_id: str, task_id: str) -> HttpResponse:
    """Add a comment. A rejected comment returns in the form with the reason next to its field."""
    tenant, task = load_task(request, public_id, task_id)
    user = current_user(request)
    side = side_of(user, tenant)
    reply_to = _replied_to(request, task)
    form = CommentForm(
        request.POST or None, request.FILES or None, side=side, too_large=was_too_large(request)
    )
    if request.method == "POST" and form.is_valid():
        with catch_errors() as attempt:
            comments.add_comment(task, form.new_comment(), by=user, side=side, reply_to=reply_to)
            return _back(request, tenant, task)
        _show_refusal(form, attempt.error)
    context = {
        "tenant": tenant,
        "task": task,
        "form": form,
        "reply_to": reply_to,
        "return_page": _return_page(request),
        "back": _back(request, tenant, task)["Location"],
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "collaboration/comment_add.html", context, status=status)


def _return_page(request: HttpRequest) -> str:
    """The page of the form, if it is not the plan: the id of its sheet or cutover."""
    return request.POST.get("from") or request.GET.get("from", "")


def _back(request: HttpRequest, tenant: Tenant, task: Task) -> HttpResponse:
    return_page = _return_page(request)
    if return_page and RequirementsSheet.objects.filter(task=task, public_id=return_page).exists():
        page = redirect(
            "onboarding:requirements-sheet", public_id=tenant.public_id, sheet_id=return_page
        )
    elif return_page and Cutover.objects.filter(plan=task.plan_id, public_id=return_page).exists():
        page = redirect(
            "onboarding:cutover-room", public_id=tenant.public_id, cutover_id=return_page
        )
    else:
        return back_to_plan(request, tenant, task)
    page["Location"] += "#comments"
    return page


@require(Permission.OPEN_HOME)
@require_GET
def mentions(request: HttpRequest) -> HttpResponse:
    """The comments that mention the reader, in the tenants that they may see."""
    user = current_user(request)
    found = comments.mentions_for(user, tenants_for(user)).prefetch_related("mentions")[:50]
    return render(request, "collaboration/mention_list.html", {"comments": found})


def _replied_to(request: HttpRequest, task: Task) -> Comment | None:
    """The question that the comment answers, if any."""
    wanted = request.POST.get("reply_to") or request.GET.get("reply_to")
    if not wanted:
        return None
    return get_object_or_404(Comment, task=task, public_id=wanted, is_internal=False)


@require(Permission.COMMENT)
@require_POST
def comment_delete(
    request: HttpRequest, public_id: str, task_id: str, comment_id: str
) -> HttpResponse:
    tenant, task = load_task(request, public_id, task_id)
    comment = _comment_for(request, tenant, task, comment_id)
    with errors_as_message(request):
        comments.delete_comment(comment, by=current_user(request))
    return _back(request, tenant, task)


def _comment_for(request: HttpRequest, tenant: Tenant, task: Task, comment_id: str) -> Comment:
    """The comment, or 404. An internal note does not exist for a client."""
    comment = get_object_or_404(
        Comment.objects.select_related("plan__tenant", "task"), task=task, public_id=comment_id
    )
    if comment.is_internal and side_of(current_user(request), tenant) != "mimecast":
        raise Http404("No such comment.")
    return comment
