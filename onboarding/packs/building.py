"""Making a closing pack: asked for in a transaction, built by a worker, sealed, and noted."""

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
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from onboarding import file_store
from onboarding.errors import OnboardingError
from onboarding.evidence_files import files_of
from onboarding.models import ClosingPack, Sheet
from onboarding.packs import names
from onboarding.packs.facts import activity_of, facts_of, observations_of
from onboarding.sheets.exporting import as_csv, as_xlsx
from tenants.models import ActivityLine, Tenant, User
from tenants.services import write_activity

_HERE = Path(__file__).parent
# One that a worker has under way for longer was lost with it.
_LOST_AFTER = timedelta(minutes=10)


def ask_for_pack(tenant: Tenant, *, by: User) -> ClosingPack:
    """Note the wish; the caller queues the work."""
    if tenant.completed_at is None:
        raise OnboardingError("The closing pack is made once both sides have signed the case off.")
    with transaction.atomic():
        write_activity(tenant, "pack-requested", by=by)
        return ClosingPack.objects.create(tenant=tenant, requested_by=by)


def unbuilt(now: datetime) -> QuerySet[ClosingPack]:
    """Asked for a while ago and not there yet: the broker was away, or a worker died."""
    return ClosingPack.objects.filter(ready_at=None, requested_at__lt=now - _LOST_AFTER)


def note_download(pack: ClosingPack, *, by: User) -> None:
    write_activity(pack.tenant, "pack-downloaded", by=by, seal=pack.seal)


def build_pack(pack: ClosingPack) -> bool:
    """Make the archive; False when it is there already or no longer wanted. Safe to run twice."""
    if pack.ready_at is not None:
        return False
    place = file_store.new_place()
    path = file_store.path_of(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            seal = _write(archive, pack.tenant)
    except BaseException:
        # Tried again by the beat, which must not fill the store with halves of archives.
        path.unlink()
        raise
    with transaction.atomic():
        wanted = ClosingPack.objects.filter(pk=pack.pk, ready_at=None)
        size = path.stat().st_size
        if wanted.update(ready_at=timezone.now(), stored_as=place, size=size, seal=seal):
            # In the chain: whoever holds a later head of the log can hold the pack against it.
            write_activity(pack.tenant, "pack-ready", bytes=size, seal=seal)
            pack.tenant.plan.touch()
            return True
    path.unlink()
    return False


def _write(archive: zipfile.ZipFile, tenant: Tenant) -> str:
    """Write every file, then the list of their digests; returns the seal."""
    digests: dict[str, str] = {}
    for name, content in _contents(tenant):
        digests[name] = hashlib.sha256(content).hexdigest()
        archive.writestr(name, content)
    listed = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
    archive.writestr(names.DIGESTS, listed)
    return hashlib.sha256(listed).hexdigest()


def _contents(tenant: Tenant) -> Iterator[tuple[str, bytes]]:
    facts = facts_of(tenant)
    activity = activity_of(tenant)
    yield names.README, (_HERE / "README.txt").read_bytes()
    yield names.VERIFY, (_HERE / "verify.py").read_bytes()
    yield names.PAGE, _page(tenant, facts, until=activity["length"])
    yield names.CASE, _json(facts)
    yield names.OBSERVATIONS, _json(list(observations_of(tenant)))
    yield names.ACTIVITY, _json(activity)
    for sheet in Sheet.objects.filter(task__plan__tenant=tenant):
        whole = (as_csv(sheet, is_whole=True), as_xlsx(sheet, is_whole=True))
        yield from zip(names.places_of_sheet(sheet), whole, strict=True)
    for kept in files_of(tenant):
        yield names.place_of_file(kept), file_store.path_of(kept.stored_as).read_bytes()


def _json(facts: Any) -> bytes:
    return json.dumps(facts, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False).encode()


def _page(tenant: Tenant, facts: dict[str, Any], *, until: int) -> bytes:
    lines = ActivityLine.objects.filter(tenant=tenant, number__lte=until).select_related("actor")
    context = {"case": facts, "styles": _styles(), "lines": lines.order_by("number")}
    return render_to_string("onboarding/pack/pack.html", context).encode()


def _styles() -> SafeString:
    """Our own file, as a part of the page: it is to be read without us, and without a network."""
    return format_html("<style>{}</style>", mark_safe((_HERE / "pack.css").read_text("utf-8")))
