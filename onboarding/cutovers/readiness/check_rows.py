"""The rows of the readiness list that checks decide. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from checks.engine.codes import RENAMED_CODES
from checks.engine.outcomes import CheckKind, Verdict, worst
from onboarding.cutovers.readiness.facts import (
    CHECK_NOW_REMEDY,
    STALE_DETAIL,
    WAIT_REMEDY,
    ReadinessFacts,
    ReadinessRow,
    current_verdict,
    stale_names,
)
from onboarding.cutovers.readiness.ttl import early_policies
from onboarding.plans.proof import ProofSubject
from onboarding.plans.rows import Shape, shape_of_state

_UNKNOWN_DETAIL = "Not known for {names}: the check has not settled, or its last run disagreed."
_PROPOSED_DETAIL = "{names}: the client proposed the value, and no consultant has confirmed it."
_DECIDE_REMEDY = "A consultant confirms or rejects the proposed value of {names}."


@dataclass(frozen=True)
class _RowText:
    """The sentences of a row. `{names}` are the domains that decide it.

    `missing_text` and `missing_remedy` are for a domain whose check needs a value that the profile
    does not have.
    """

    title: str
    pass_text: str
    fail_text: str
    remedy: str
    missing_text: str = "{names}: no check applies to its role."
    missing_remedy: str = "Choose a role that sends or receives mail in the profile."


def _row_of(key: str, kind: CheckKind, text: _RowText, facts: ReadinessFacts) -> ReadinessRow:
    verdicts = [(subject, current_verdict(subject, facts)) for subject in facts.subjects_of(kind)]
    if not verdicts:
        detail = "No domain of this cutover needs this check."
        return ReadinessRow(
            key, text.title, Verdict.UNKNOWN, detail, "Add the domains to the profile."
        )
    verdict = worst([each for _, each in verdicts])
    deciding = [subject for subject, each in verdicts if each is verdict]
    detail, remedy = {
        Verdict.FAIL: (text.fail_text, text.remedy),
        Verdict.NOT_APPLICABLE: ("Not applicable to {names}.", ""),
        Verdict.WARN: (f"{text.pass_text} Read the caution in its evidence.", ""),
    }.get(verdict, (text.pass_text, ""))
    if verdict is Verdict.UNKNOWN:
        deciding, detail, remedy = _unknown_detail(deciding, text, facts)
    names = _names(deciding)
    check = next((s.check for s in deciding if s.check is not None), None)
    return ReadinessRow(
        key,
        text.title,
        verdict,
        detail.format(names=names),
        remedy.format(names=names),
        check=check,
        shown_shape=_shown_shape(deciding) if verdict is Verdict.FAIL else None,
    )


def _shown_shape(failing: Iterable[ProofSubject]) -> Shape:
    """The shape of the failing subjects on the Domains page. Work to do is no fault."""
    shapes = [shape_of_state(subject.state) for subject in failing]
    return Shape.TODO if set(shapes) == {Shape.TODO} else Shape.FAIL


def _unknown_detail(
    unknown: list[ProofSubject], text: _RowText, facts: ReadinessFacts
) -> tuple[list[ProofSubject], str, str]:
    """The subjects to name, the detail and the remedy.

    A missing value comes first, because waiting does not help there, and then a value that no
    consultant has confirmed. Then come stale checks.
    """
    without_check = [subject for subject in unknown if subject.check is None]
    if without_check:
        return without_check, text.missing_text, text.missing_remedy
    proposed = [subject for subject in unknown if subject.is_proposed]
    if proposed:
        return proposed, _PROPOSED_DETAIL, _DECIDE_REMEDY
    names = stale_names(unknown, facts)
    stale = [subject for subject in unknown if subject.name in names]
    return (
        (stale, STALE_DETAIL, CHECK_NOW_REMEDY)
        if stale
        else (unknown, _UNKNOWN_DETAIL, WAIT_REMEDY)
    )


def _names(subjects: Iterable[ProofSubject]) -> str:
    *others, last = list(dict.fromkeys(s.name for s in subjects)) or ["no domain"]
    return f"{', '.join(others)} and {last}" if others else last


def ownership_row(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "Ownership verified",
        "{names}: ownership is verified.",
        "{names}: ownership is not verified.",
        "Publish the code that Mimecast issued for {names}.",
        "{names}: the profile has no ownership code.",
        "Enter the code that Mimecast issued for {names} in the profile.",
    )
    return _row_of("ownership", CheckKind.OWNERSHIP, text, facts)


def spf_row(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "SPF covers the region",
        "{names}: SPF allows the region's networks.",
        "{names}: SPF does not allow all of the region's networks.",
        "Publish the merged SPF record for {names}.",
    )
    return _row_of("spf", CheckKind.SPF, text, facts)


def dkim_row(facts: ReadinessFacts) -> ReadinessRow:
    text = _RowText(
        "DKIM ready",
        "{names}: the key is published under its selector.",
        "{names}: the key is not published correctly.",
        "Publish the key that Mimecast issued for {names}.",
        "{names}: the profile has no selector, so outbound mail would be unsigned.",
        "Enter the selector in the profile, and publish its key.",
    )
    # Only if no domain has a selector: otherwise this caution would hide another domain's key.
    without_selector = [s for s in facts.subjects_of(CheckKind.DKIM) if s.check is None]
    if without_selector and len(without_selector) == len(facts.subjects_of(CheckKind.DKIM)):
        return ReadinessRow(
            "dkim",
            text.title,
            Verdict.WARN,
            text.missing_text.format(names=_names(without_selector)),
            text.missing_remedy,
        )
    return _row_of("dkim", CheckKind.DKIM, text, facts)


def mta_sts_row(facts: ReadinessFacts) -> ReadinessRow:
    """The present policy, and then the former one, which senders cache (RFC 8461 section 3.2)."""
    title = "MTA-STS permits the planned MX"
    text = _RowText(
        title,
        "{names}: the policy permits the planned MX hosts.",
        "{names}: senders that enforce the policy reject the planned MX hosts.",
        "For {names}, add the planned hosts to the policy and change the record's id before you"
        " switch MX.",
    )
    row = _row_of("mta-sts", CheckKind.MTA_STS, text, facts)
    blocking = early_policies(facts)
    if row.is_blocking or not blocking:
        return row
    name, policy = max(blocking, key=lambda pair: pair[1].safe_at or facts.now)
    assert policy.safe_at is not None
    until = facts.format_time(policy.safe_at)
    detail = (
        f"{name}: the former policy does not permit the planned MX hosts, and senders may have it"
        f" cached until {until} (max_age {policy.ttl} s)."
    )
    remedy = f"Schedule the window for {until} or later, or set the mode of the policy to testing."
    return ReadinessRow("mta-sts", title, Verdict.FAIL, detail, remedy, check=row.check)


def dmarc_row(facts: ReadinessFacts) -> ReadinessRow:
    """With quarantine or reject, receivers drop mail that passes neither SPF nor DKIM. Both must be
    verified before outbound mail leaves through Mimecast (RFC 7489 section 6.3)."""
    title = "DMARC will not reject your mail"
    subjects = facts.subjects_of(CheckKind.DMARC)
    unsure = [s for s in subjects if _policy_unknown(s, facts)]
    enforcing = [s for s in subjects if s not in unsure and _enforces(s)]
    verified = {
        kind: _verified(facts.subjects_of(kind), facts) for kind in (CheckKind.SPF, CheckKind.DKIM)
    }
    lacking = [s for s in enforcing if not all(s.name in names for names in verified.values())]
    if lacking:
        detail = (
            f"{_names(lacking)}: quarantines or rejects, but SPF and DKIM are not both verified."
        )
        remedy = f"Fix SPF and DKIM for {_names(lacking)}, or set its policy to none until then."
        return ReadinessRow("dmarc", title, Verdict.FAIL, detail, remedy, check=lacking[0].check)
    if unsure or not subjects:
        detail = f"The policy of {_names(unsure)} is not known."
        return ReadinessRow(
            "dmarc",
            title,
            Verdict.UNKNOWN,
            detail,
            WAIT_REMEDY,
            check=unsure[0].check if unsure else None,
        )
    if enforcing:
        detail = f"{_names(enforcing)}: quarantines or rejects. SPF and DKIM are both verified."
        return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=enforcing[0].check)
    invalid = [s for s in subjects if current_verdict(s, facts) is Verdict.FAIL]
    if invalid:
        detail = f"{_names(invalid)}: the record is invalid, so receivers apply no policy."
        remedy = "Fix the record, with the policy none until SPF and DKIM are verified."
        return ReadinessRow("dmarc", title, Verdict.WARN, detail, remedy, check=invalid[0].check)
    detail = f"{_names(subjects)}: no policy that quarantines or rejects."
    return ReadinessRow("dmarc", title, Verdict.PASS, detail, check=subjects[0].check)


def _policy_unknown(subject: ProofSubject, facts: ReadinessFacts) -> bool:
    """If the servers differ, one of them may publish an enforcing policy. An invalid record at all
    servers is a known result only if the names above the domain answered: the domain inherits
    their policy (RFC 9989 section 4.10)."""
    verdict = current_verdict(subject, facts)
    latest = subject.check.latest if subject.check is not None else None
    return verdict is Verdict.UNKNOWN or (
        verdict is Verdict.FAIL
        and (
            latest is None
            or not latest.unanimous
            or _has_finding(subject, "dmarc.organisation-lookup-failed")
        )
    )


def _enforces(subject: ProofSubject) -> bool:
    return _has_finding(subject, "dmarc.enforces")


def _has_finding(subject: ProofSubject, code: str) -> bool:
    latest = subject.check.latest if subject.check is not None else None
    return latest is not None and any(
        RENAMED_CODES.get(f["code"], f["code"]) == code for f in latest.findings
    )


def _verified(subjects: Sequence[ProofSubject], facts: ReadinessFacts) -> set[str]:
    return {s.name for s in subjects if current_verdict(s, facts).is_passing}
