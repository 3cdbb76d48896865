"""Closing packs: request in a transaction, build in a worker, seal and log."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from onboarding.collaboration import file_store
from onboarding.collaboration.evidence_files import files_of
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing_pack import contents
from onboarding.lifecycle.closing_pack.contents import (
    closing_pack_content,
    closing_pack_observations,
    pack_activity,
    pack_heads,
)
from onboarding.models import ClosingPack, RequirementsSheet
from onboarding.requirements.exports import as_csv, as_xlsx
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import ActivityLine, Tenant, User
from tenants.services import write_activity
from tenants.visible_text import visible

_HERE = Path(__file__).parent
# A build that takes longer was lost with its worker.
_LOST_AFTER = timedelta(minutes=10)


def request_closing_pack(tenant: Tenant, *, by: User) -> ClosingPack:
    """Create the request; the caller queues the build.

    Raises OnboardingError before both sides signed.
    """
    if tenant.completed_at is None:
        raise OnboardingError(
            "The closing pack is available after both sides sign off the implementation."
        )
    with transaction.atomic():
        write_activity(tenant, ActivityName.CLOSING_PACK_REQUESTED, by=by)
        return ClosingPack.objects.create(tenant=tenant, requested_by=by)


def lost_packs(now: datetime) -> QuerySet[ClosingPack]:
    """Packs that are not ready after ten minutes: the broker was away, or a worker died."""
    return ClosingPack.objects.filter(ready_at=None, requested_at__lt=now - _LOST_AFTER)


def log_download(pack: ClosingPack, *, by: User) -> None:
    write_activity(pack.tenant, ActivityName.CLOSING_PACK_DOWNLOADED, by=by, seal=pack.seal)


def build_closing_pack(pack: ClosingPack) -> bool:
    """Build the archive. False if it exists already or its request is gone. Safe to run twice."""
    if pack.ready_at is not None:
        return False
    place = file_store.new_storage_path()
    with file_store.writing(place) as path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            seal = _write(archive, pack.tenant)
        size = path.stat().st_size
    with transaction.atomic():
        wanted = ClosingPack.objects.filter(pk=pack.pk, ready_at=None)
        if wanted.update(ready_at=database_time.now(), stored_as=place, size=size, seal=seal):
            # The seal is part of the log's chain: a later head of the log proves the pack.
            write_activity(pack.tenant, ActivityName.CLOSING_PACK_READY, bytes=size, seal=seal)
            pack.tenant.plan.touch()
            file_store.publish_on_commit(place)
            return True
    file_store.discard(place)
    return False


def _write(archive: zipfile.ZipFile, tenant: Tenant) -> str:
    """Write all files and the list of their digests. Returns the seal, the digest of that list."""
    digests: dict[str, str] = {}
    for name, content in _contents(tenant):
        digests[name] = hashlib.sha256(content).hexdigest()
        archive.writestr(name, content)
    listed = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
    archive.writestr(contents.DIGESTS, listed)
    return hashlib.sha256(listed).hexdigest()


def _contents(tenant: Tenant) -> Iterator[tuple[str, bytes]]:
    facts = closing_pack_content(tenant)
    activity = pack_activity(tenant)
    yield contents.README, (_HERE / "README.txt").read_bytes()
    yield contents.VERIFY, (_HERE / "verify.py").read_bytes()
    yield contents.PAGE, _page(tenant, facts, until=activity["length"])
    yield contents.IMPLEMENTATION, _json(facts)
    yield contents.OBSERVATIONS, _json(list(closing_pack_observations(tenant)))
    yield contents.ACTIVITY, _json(activity)
    yield contents.HEADS, pack_heads(activity, tenant).encode()
    for sheet in RequirementsSheet.objects.filter(task__plan__tenant=tenant):
        whole = (as_csv(sheet, is_full=True), as_xlsx(sheet, is_full=True))
        yield from zip(contents.paths_of_sheet(sheet), whole, strict=True)
    for file in files_of(tenant):
        yield contents.path_of_file(file), file_store.path_of(file.stored_as).read_bytes()


def _json(facts: Any) -> bytes:
    return json.dumps(facts, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False).encode()


def _page(tenant: Tenant, facts: dict[str, Any], *, until: int) -> bytes:
    lines = ActivityLine.objects.filter(tenant=tenant, number__lte=until).select_related("actor")
    context = {"implementation": facts, "styles": _styles(), "lines": lines.order_by("number")}
    return visible(render_to_string("lifecycle/closing_pack/pack.html", context)).encode()


def _styles() -> SafeString:
    """The style sheet inside the page: the page needs neither Gangway nor a network."""
    return format_html(
        "<style>{}</style>", mark_safe((_HERE / "closing_pack.css").read_text("utf-8"))
    )
