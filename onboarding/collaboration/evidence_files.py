"""Evidence files of tasks. A stored file is never changed or replaced."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet

from onboarding.collaboration import file_store
from onboarding.collaboration.file_types import recognise
from onboarding.errors import OnboardingError
from onboarding.models import Comment, EvidenceFile, Plan, Task
from onboarding.plans.queries import lock_tasks
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity

MAX_FILES_PER_TASK = 20


def store_file(
    task: Task, upload: UploadedFile[Any], *, by: User, comment: Comment | None = None
) -> EvidenceFile:
    """Check, store and log a file, with the comment that it belongs to, if any.

    Raises RejectedFile with the reason, and OnboardingError if the task has too many files.
    """
    content = upload.read()
    known = recognise(upload.name or "file", content)
    # Written before the lock, because the disk may be slow.
    with file_store.storing(content) as place, transaction.atomic():
        # Under the lock, so that two uploads at the same time count each other.
        lock_tasks(task.plan_id)
        if EvidenceFile.objects.filter(task=task).count() >= MAX_FILES_PER_TASK:
            raise OnboardingError(
                f"A task has at most {MAX_FILES_PER_TASK} files. Nothing was added."
            )
        stored = EvidenceFile.objects.create(
            task=task,
            name=known.name,
            content_type=known.content_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            stored_as=place,
            uploaded_by=by,
            comment=comment,
        )
        file_store.publish_on_commit(place)
        plan = task.plan
        write_activity(
            plan.tenant,
            ActivityName.FILE_ADDED,
            by=by,
            task=task.title,
            task_id=task.public_id,
            file=stored.name,
            sha256=stored.sha256,
        )
        plan.touch()
    return stored


def add_file(
    task: Task, upload: UploadedFile[Any] | None, *, was_too_large: bool, by: User
) -> EvidenceFile:
    """Store an uploaded file. Raises OnboardingError without a file, and as `store_file` does."""
    if was_too_large:
        raise OnboardingError("A file may have 10 MB at most. Nothing was added.")
    if upload is None:
        raise OnboardingError("Choose a file first. Nothing was added.")
    return store_file(task, upload, by=by)


def log_refusal(task: Task, reason: str, *, by: User) -> None:
    """A line of the activity log. Call it outside the transaction of the refused upload."""
    write_activity(
        task.plan.tenant, ActivityName.FILE_REFUSED, by=by, task=task.title, reason=reason
    )


def files_of(tenant: Tenant) -> QuerySet[EvidenceFile]:
    return EvidenceFile.objects.filter(task__plan__tenant=tenant).select_related(
        "task", "uploaded_by"
    )


def files_by_task(plan: Plan) -> dict[int, list[EvidenceFile]]:
    found: dict[int, list[EvidenceFile]] = {}
    for stored in files_of(plan.tenant):
        found.setdefault(stored.task_id, []).append(stored)
    return found
