"""Propose the SPF record to publish: the current record with the region's include. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checks.engine.spf.repair import repair
from checks.engine.spf.terms import parse_term

GLOBAL_INCLUDE = "_netblocks.mimecast.com"
_VERSION = "v=spf1"
_BARE_REDIRECT = re.compile(r"redirect=", re.IGNORECASE)


def proposed_record(
    record_text: str, include: str, *, global_includes: Sequence[str] = (GLOBAL_INCLUDE,)
) -> str:
    """Return the record with `include:<include>` once, before `all` or the redirect.

    The global include is removed. All other valid terms remain in order, and `repair` corrects or
    drops an invalid one. Without a record, the proposal ends in `~all`.
    """
    terms = repair(record_text).text.split()[1:]
    region_term = f"include:{include}"
    proposed_terms: list[str] = []
    is_placed = False
    for term_text in terms:
        target = _include_target(term_text)
        is_mimecast = target in (include.lower(), *global_includes)
        # Terms after `all` are never evaluated (RFC 7208 section 5.1), so the include goes before.
        if not is_mimecast and _ends_evaluation(term_text) and not is_placed:
            proposed_terms.append(region_term)
            is_placed = True
        if not is_mimecast:
            proposed_terms.append(term_text)
        elif not is_placed:
            proposed_terms.append(region_term)
            is_placed = True
    if not is_placed:
        proposed_terms.append(region_term)
    if not terms:
        proposed_terms.append("~all")
    return " ".join([_VERSION, *proposed_terms])


def _include_target(term_text: str) -> str:
    term = parse_term(term_text)
    if term is None or term.name != "include":
        return ""
    return term.target.lower().removesuffix(".")


def _ends_evaluation(term_text: str) -> bool:
    """Return whether the evaluation ends at this term: at `all`, or at a redirect."""
    term = parse_term(term_text)
    is_all = term is not None and term.name == "all"
    return is_all or bool(_BARE_REDIRECT.match(term_text))


def merged_record(records: Sequence[str]) -> str:
    """Merge several SPF records into the only one that is allowed (RFC 7208 section 3.2).

    Every mechanism occurs once. `all` of another record would disable a redirect (section 6.1), so
    it becomes an include. The first `all` and the first explanation remain.
    """
    valid = [repair(record).text for record in records]
    if len(valid) < 2:
        return valid[0] if valid else ""
    # `[1:]` skips the version of each record.
    terms = [_redirect_as_include(term) for record in valid for term in record.split()[1:]]
    endings = [term for term in terms if term.lstrip("+-~?").lower() == "all"]
    explanations = [term for term in terms if term.lower().startswith("exp=")]
    single = {*endings, *explanations}
    merged_terms = dict.fromkeys(term for term in terms if term not in single)
    return " ".join(["v=spf1", *merged_terms, *(endings[:1] or ["~all"]), *explanations[:1]])


def _redirect_as_include(term: str) -> str:
    is_redirect = term.lower().startswith("redirect=")
    return f"include:{term.partition('=')[2]}" if is_redirect else term
