"""Endpoints of comments."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration import comments
from onboarding.collaboration.forms import CommentForm
from onboarding.error_responses import problem_of_forms
from onboarding.models import Comment, Responsibility, Task
from onboarding.plans.recipients import side_of_role
from tenants.permissions import Permission
from tenants.rest.filters import MomentFilter
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class CommentSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    task = serializers.CharField(source="task.public_id", read_only=True)
    author = PersonSerializer(read_only=True, allow_null=True)
    body = serializers.CharField(read_only=True, help_text="Markdown; empty after a deletion.")
    written_at = serializers.DateTimeField(read_only=True)
    is_internal = serializers.BooleanField(read_only=True)
    asked_side = serializers.ChoiceField(
        choices=Responsibility.choices, allow_blank=True, read_only=True
    )
    answered_at = serializers.DateTimeField(read_only=True, allow_null=True)
    reply_to = serializers.CharField(
        source="reply_to.public_id", read_only=True, default=None, allow_null=True
    )
    deleted_at = serializers.DateTimeField(read_only=True, allow_null=True)


class CommentInput(InputSerializer):
    body = serializers.CharField(max_length=100_000)
    kind = serializers.ChoiceField(
        choices=[("", "Comment"), ("question", "Question"), ("internal", "Internal note")],
        required=False,
        allow_blank=True,
        help_text="A question to the other side, or, for staff, an internal note.",
    )
    reply_to = serializers.CharField(required=False, max_length=32)


class CommentFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    changed_since = MomentFilter(field_name="written_at", lookup_expr="gte")
    asked_side = django_filters.ChoiceFilter(choices=Responsibility.choices)

    class Meta:
        model = Comment
        fields: list[str] = []


class _CommentsView(ApiView):
    tag = "Comments"

    @property
    def is_staff(self) -> bool:
        return self.access.role is not None and self.access.role.is_staff

    def rows(self) -> QuerySet[Comment]:
        """The comments that the reader may see: internal notes do not exist for clients."""
        found = comments.comments_of(self.tenant.plan, is_staff=self.is_staff)
        return found.select_related("author", "task", "reply_to")

    def load_task(self) -> Task:
        rows = Task.objects.filter(plan=self.tenant.plan).select_related("plan__tenant")
        return found_or_404(rows, self.kwargs["task_id"], "task")


class TenantCommentListView(_CommentsView, ApiListView):
    permissions = {"GET": Permission.VIEW}
    serializer_class = CommentSerializer
    model = Comment
    filterset_class = CommentFilter
    ordering = ("-written_at",)
    ordering_fields = ("written_at",)

    def get(self, request: Request, public_id: str) -> Response:
        """The comments on all tasks of a tenant, newest first."""
        return self.listed(self.rows())


class CommentListView(_CommentsView, ApiListView):
    permissions = {"GET": Permission.VIEW, "POST": Permission.COMMENT}
    serializer_class = CommentSerializer
    model = Comment
    filterset_class = CommentFilter
    inputs = {"POST": CommentInput}
    statuses = {"POST": 201}
    ordering = ("written_at",)
    ordering_fields = ("written_at",)

    def get(self, request: Request, public_id: str, task_id: str) -> Response:
        """The comments on a task, oldest first."""
        return self.listed(self.rows().filter(task=self.load_task()))

    def post(self, request: Request, public_id: str, task_id: str) -> Response:
        """Write a comment, ask the other side a question, or answer one."""
        task, values = self.load_task(), self.validated(CommentInput)
        side = side_of_role(self.access.role, is_closed=self.tenant.is_closed)
        form = CommentForm(values, side=side)
        if not form.is_valid():
            raise problem_of_forms(form)
        made = comments.add_comment(
            task,
            form.new_comment(),
            by=self.user,
            side=side,
            reply_to=self._replied_to(task, values.get("reply_to")),
        )
        return self.one(found_or_404(self.rows(), made.public_id, "comment"), status=201)

    def _replied_to(self, task: Task, public_id: str | None) -> Comment | None:
        if public_id is None:
            return None
        rows = Comment.objects.filter(task=task, is_internal=False)
        return found_or_404(rows, public_id, "comment")


class CommentView(_CommentsView):
    permissions = {"GET": Permission.VIEW, "DELETE": Permission.COMMENT}
    serializer_class = CommentSerializer
    statuses = {"DELETE": 204}

    def load(self) -> Comment:
        rows = self.rows().select_related("plan__tenant").filter(task=self.load_task())
        return found_or_404(rows, self.kwargs["comment_id"], "comment")

    def get(self, request: Request, public_id: str, task_id: str, comment_id: str) -> Response:
        """One comment."""
        return self.one(self.load())

    def delete(self, request: Request, public_id: str, task_id: str, comment_id: str) -> Response:
        """Delete the text of a comment: for its author, within one hour."""
        comments.delete_comment(self.load(), by=self.user)
        return Response(status=204)


_COMMENTS = "tasks/<str:task_id>/comments"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("comments/", TenantCommentListView.as_view(), name="tenant-comments"),
    path(f"{_COMMENTS}/", CommentListView.as_view(), name="comments"),
    path(f"{_COMMENTS}/<str:comment_id>/", CommentView.as_view(), name="comment"),
]
