"""Files that show a task done: keeping one. Nothing edits or replaces what was kept."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet

from onboarding import file_store
from onboarding.errors import OnboardingError
from onboarding.file_types import recognise
from onboarding.models import Comment, EvidenceFile, Plan, Task
from tenants.models import Tenant, User
from tenants.services import write_activity

MOST_PER_TASK = 20


def keep_file(
    task: Task, upload: UploadedFile[Any], *, by: User, comment: Comment | None = None
) -> EvidenceFile:
    """Check, store and note a file, maybe one that came with a comment; RefusedFile says why one
    was not kept."""
    content = upload.read()
    known = recognise(upload.name or "file", content)
    if EvidenceFile.objects.filter(task=task).count() >= MOST_PER_TASK:
        raise OnboardingError(f"A task keeps at most {MOST_PER_TASK} files. Nothing was added.")
    with transaction.atomic():
        kept = EvidenceFile.objects.create(
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
            "file-added",
            by=by,
            task=task.title,
            task_id=task.public_id,
            file=kept.name,
            sha256=kept.sha256,
        )
        plan.touch()
    return kept


def files_of(tenant: Tenant) -> QuerySet[EvidenceFile]:
    return EvidenceFile.objects.filter(task__plan__tenant=tenant).select_related(
        "task", "uploaded_by"
    )


def files_by_task(plan: Plan) -> dict[int, list[EvidenceFile]]:
    found: dict[int, list[EvidenceFile]] = {}
    for kept in files_of(plan.tenant):
        found.setdefault(kept.task_id, []).append(kept)
    return found
