"""Template filters of the proof sources: titles, and the people who submitted exports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django import template

from checks.engine.outcomes import CheckKind
from checks.engine.sources.registry import SOURCE_OF_KIND
from checks.models import SubmittedExport

register = template.Library()
_FORMER_USER = "a former user"


@register.filter
def source_title(kind: str) -> str:
    """The title of the source that a kind of check judges."""
    return SOURCE_OF_KIND[CheckKind(kind)].title


@register.filter
def source_key(kind: str) -> str:
    """The key of the source, for its address."""
    return SOURCE_OF_KIND[CheckKind(kind)].key


@register.filter
def submitter(export: SubmittedExport | None) -> str:
    """The person who submitted the export."""
    return str(export.submitted_by or _FORMER_USER) if export is not None else _FORMER_USER


@register.filter
def submitter_of(exports: Mapping[str, SubmittedExport] | None, export_id: str) -> str:
    """The person who submitted one of the exports, which have their ids as keys."""
    return submitter((exports or {}).get(export_id))


@register.filter
def moment(text: str) -> datetime:
    """A time of stored evidence."""
    return datetime.fromisoformat(text)
