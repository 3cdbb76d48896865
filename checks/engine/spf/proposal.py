"""The record a client should publish: theirs, with the region's include in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from checks.engine.spf.terms import parse_term

GLOBAL_INCLUDE = "_netblocks.mimecast.com"
_VERSION = "v=spf1"
_BARE_REDIRECT = re.compile(r"redirect=", re.IGNORECASE)


def proposed_record(
    record_text: str, include: str, *, global_includes: Sequence[str] = (GLOBAL_INCLUDE,)
) -> str:
    """Put `include:<include>` before `all` or the redirect, once, and drop the global include.

    Everything else stays as it is, in its order. Without a record, a cautious one is proposed.
    """
    terms = record_text.split()[1:]
    region_term = f"include:{include}"
    kept_terms: list[str] = []
    is_placed = False
    for word in terms:
        target = _include_target(word)
        is_ours = target in (include.lower(), *global_includes)
        if not is_ours and _ends_evaluation(word) and not is_placed:
            kept_terms.append(region_term)
            is_placed = True
        if not is_ours:
            kept_terms.append(word)
        elif not is_placed:
            kept_terms.append(region_term)
            is_placed = True
    if not is_placed:
        kept_terms.append(region_term)
    if not terms:
        kept_terms.append("~all")
    return " ".join([_VERSION, *kept_terms])


def _include_target(word: str) -> str:
    term = parse_term(word)
    if term is None or term.name != "include":
        return ""
    return term.target.lower().removesuffix(".")


def _ends_evaluation(word: str) -> bool:
    """Does evaluation end here? Nothing after `all` counts; a redirect is what comes last."""
    term = parse_term(word)
    is_all = term is not None and term.name == "all"
    return is_all or bool(_BARE_REDIRECT.match(word))


def merged_record(records: Sequence[str]) -> str:
    """Several SPF records as the one that may stand (RFC 7208 section 3.2).

    Every mechanism is kept once. A redirect would be void beside the others' ending (section 6.1),
    so it becomes an include; one ending and one explanation hold, the first of each.
    """
    if len(records) < 2:
        return records[0] if records else ""
    terms = [_redirect_as_include(term) for record in records for term in record.split()[1:]]
    endings = [term for term in terms if term.lstrip("+-~?").lower() == "all"]
    explanations = [term for term in terms if term.lower().startswith("exp=")]
    single = {*endings, *explanations}
    kept_terms = dict.fromkeys(term for term in terms if term not in single)
    return " ".join(["v=spf1", *kept_terms, *(endings[:1] or ["~all"]), *explanations[:1]])


def _redirect_as_include(term: str) -> str:
    is_redirect = term.lower().startswith("redirect=")
    return f"include:{term.partition('=')[2]}" if is_redirect else term
