"""Endpoints of comments, contacts and evidence files."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.forms import Form
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from onboarding.collaboration import comments, contacts
from onboarding.collaboration.evidence_files import files_of
from onboarding.collaboration.forms import CommentForm, ContactForm
from onboarding.collaboration.views.files import file_show
from onboarding.error_responses import problem_of_forms
from onboarding.models import Comment, Contact, EvidenceFile, Responsibility, Task
from onboarding.plans.services import side_of_role
from tenants.permissions import Permission
from tenants.rest.serializers import InputSerializer, PersonSerializer, ResourceSerializer
from tenants.rest.views import ApiListView, ApiView, found_or_404


class FileSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    name = serializers.CharField(read_only=True)
    content_type = serializers.CharField(read_only=True)
    size = serializers.IntegerField(read_only=True)
    sha256 = serializers.CharField(read_only=True)
    task = serializers.CharField(source="task.public_id", read_only=True)
    uploaded_by = PersonSerializer(read_only=True, allow_null=True)
    uploaded_at = serializers.DateTimeField(read_only=True)


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
    changed_since = django_filters.IsoDateTimeFilter(field_name="written_at", lookup_expr="gte")
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
        _require_valid(form)
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


class ContactSerializer(ResourceSerializer):
    id = serializers.CharField(source="public_id", read_only=True)
    role = serializers.ChoiceField(choices=Contact.Role.choices, read_only=True)
    name = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True)
    phone = serializers.CharField(read_only=True)
    availability = serializers.CharField(read_only=True)
    changed_at = serializers.DateTimeField(read_only=True)


class ContactChangeInput(InputSerializer):
    """A missing value remains unchanged."""

    role = serializers.ChoiceField(required=False, choices=Contact.Role.choices)
    name = serializers.CharField(required=False, max_length=100)
    email = serializers.CharField(required=False, allow_blank=True, max_length=254)
    phone = serializers.CharField(required=False, allow_blank=True, max_length=40)
    availability = serializers.CharField(required=False, allow_blank=True, max_length=300)


class ContactInput(ContactChangeInput):
    role = serializers.ChoiceField(choices=Contact.Role.choices)
    name = serializers.CharField(max_length=100)


class _ContactsView(ApiView):
    tag = "Contacts"
    serializer_class = ContactSerializer

    def rows(self) -> QuerySet[Contact]:
        return contacts.contacts_of(self.tenant).select_related("tenant__plan")

    def save(self, contact: Contact, values: dict[str, Any], *, expected: str) -> Contact:
        """Validate by the form of the page, and store."""
        stored = {name: getattr(contact, name) for name in ContactForm.Meta.fields}
        form = ContactForm(stored | values, instance=contact)
        _require_valid(form)
        contacts.save_contact(form.save(commit=False), by=self.user, expected_version=expected)
        return contact


class ContactListView(_ContactsView, ApiListView):
    permissions = {"GET": Permission.VIEW_PEOPLE, "POST": Permission.EDIT_CONTACTS}
    model = Contact
    inputs = {"POST": ContactInput}
    statuses = {"POST": 201}
    ordering = ("name",)
    ordering_fields = ("name", "changed_at")

    def get(self, request: Request, public_id: str) -> Response:
        """The client's contacts."""
        return self.listed(self.rows())

    def post(self, request: Request, public_id: str) -> Response:
        """Add a contact."""
        values = self.validated(ContactInput)
        contact = self.save(Contact(tenant=self.tenant), values, expected="")
        return self.one(contact, status=201, version=contact)


class ContactView(_ContactsView):
    permissions = {
        "GET": Permission.VIEW_PEOPLE,
        "PATCH": Permission.EDIT_CONTACTS,
        "DELETE": Permission.EDIT_CONTACTS,
    }
    inputs = {"PATCH": ContactChangeInput}
    statuses = {"DELETE": 204}
    versioned = frozenset({"PATCH", "DELETE"})

    def load(self) -> Contact:
        return found_or_404(self.rows(), self.kwargs["contact_id"], "contact")

    def get(self, request: Request, public_id: str, contact_id: str) -> Response:
        """One contact, with its ETag."""
        contact = self.load()
        return self.one(contact, version=contact)

    def patch(self, request: Request, public_id: str, contact_id: str) -> Response:
        """Change a contact."""
        contact = self.load()
        self.require_version(contact)
        expected = contacts.fingerprint(contact)
        self.save(contact, self.validated(ContactChangeInput), expected=expected)
        return self.one(contact, version=contact)

    def delete(self, request: Request, public_id: str, contact_id: str) -> Response:
        """Remove a contact."""
        contact = self.load()
        self.require_version(contact)
        contacts.remove_contact(contact, by=self.user)
        return Response(status=204)


class FileListView(ApiListView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}
    serializer_class = FileSerializer
    model = EvidenceFile
    ordering = ("-uploaded_at",)
    ordering_fields = ("uploaded_at", "name")

    def get(self, request: Request, public_id: str) -> Response:
        """The evidence files of a tenant, newest first."""
        return self.listed(files_of(self.tenant))


class FileView(ApiView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}
    serializer_class = FileSerializer

    def get(self, request: Request, public_id: str, file_id: str) -> Response:
        """The name, size and hash of one evidence file."""
        return self.one(found_or_404(files_of(self.tenant), file_id, "file"))


class FileContentView(ApiView):
    tag = "Files"
    permissions = {"GET": Permission.VIEW}

    def get(self, request: Request, public_id: str, file_id: str) -> Any:
        """The content of an evidence file, as a download."""
        found = found_or_404(files_of(self.tenant), file_id, "file")
        return file_show(
            self.http_request,
            public_id=public_id,
            task_id=found.task.public_id,
            file_id=file_id,
        )


def _require_valid(form: Form | ContactForm) -> None:
    if not form.is_valid():
        raise problem_of_forms(form)


_COMMENTS = "tasks/<str:task_id>/comments"
# Below tenants/<public_id>/.
tenant_urlpatterns = [
    path("comments/", TenantCommentListView.as_view(), name="tenant-comments"),
    path(f"{_COMMENTS}/", CommentListView.as_view(), name="comments"),
    path(f"{_COMMENTS}/<str:comment_id>/", CommentView.as_view(), name="comment"),
    path("contacts/", ContactListView.as_view(), name="contacts"),
    path("contacts/<str:contact_id>/", ContactView.as_view(), name="contact"),
    path("files/", FileListView.as_view(), name="files"),
    path("files/<str:file_id>/", FileView.as_view(), name="file"),
    path("files/<str:file_id>/content/", FileContentView.as_view(), name="file-content"),
]
