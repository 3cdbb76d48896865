"""Files that show a task done: keeping one. Nothing edits or replaces what was stored."""

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
from tenants.activity_names import ActivityName
from tenants.models import Tenant, User
from tenants.services import write_activity

MAX_FILES_PER_TASK = 20


def store_file(
    task: Task, upload: UploadedFile[Any], *, by: User, comment: Comment | None = None
) -> EvidenceFile:
    """Check, store and note a file, maybe one that came with a comment; RejectedFile says why one
    was not stored."""
    content = upload.read()
    known = recognise(upload.name or "file", content)
    if EvidenceFile.objects.filter(task=task).count() >= MAX_FILES_PER_TASK:
        raise OnboardingError(
            f"A task keeps at most {MAX_FILES_PER_TASK} files. Nothing was added."
        )
    with transaction.atomic():
        stored = EvidenceFile.objects.create(
            task=task,
            name=known.name,
            content_type=known.content_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            stored_as=file_store.put(content),
            uploaded_by=by,
            comment=comment,
        )
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


def files_of(tenant: Tenant) -> QuerySet[EvidenceFile]:
    return EvidenceFile.objects.filter(task__plan__tenant=tenant).select_related(
        "task", "uploaded_by"
    )


def files_by_task(plan: Plan) -> dict[int, list[EvidenceFile]]:
    found: dict[int, list[EvidenceFile]] = {}
    for stored in files_of(plan.tenant):
        found.setdefault(stored.task_id, []).append(stored)
    return found
