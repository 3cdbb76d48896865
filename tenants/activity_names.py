"""The names of the actions in the activity log, and the reading of lines with earlier names.

One enumeration in the lowest app covers all apps, also the names that only `onboarding` writes. The
log is one chain with one hash, one directory of sentences (templates/activity) and one table of
earlier names. An enumeration for each app would need a registry that joins them again at import.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.db.models import TextChoices

# The parameter of a line with the API token through which the person acted.
API_TOKEN = "api_token"
# The parameter of a line with the token through which the directory acted.
SCIM_TOKEN = "scim_token"


class ActivityName(TextChoices):
    """The value is stored and hashed. To rename one, add the old value to RENAMED_ACTIVITIES."""

    # Tasks
    TASK_VERIFIED = "task-verified"
    TASK_REGRESSED = "task-regressed"
    TASK_DOMAINS_ADDED = "task-domains-added"
    TASK_FACTS_MISSING = "task-facts-missing"
    TASK_CONFIRMED = "task-confirmed"
    CONFIRMATION_WITHDRAWN = "confirmation-withdrawn"
    RESPONSIBILITY_CHANGED = "responsibility-changed"
    TASK_STATUS_CHANGED = "task-status-changed"
    TASK_FIELDS_SET = "task-fields-set"
    ACTION_UNDONE = "action-undone"
    RISK_ACCEPTANCE_EXPIRED = "risk-acceptance-expired"
    DECLINE_CANCELLED = "decline-cancelled"
    DOMAIN_EXEMPTED = "domain-exempted"
    EXEMPTION_REMOVED = "exemption-removed"
    WAIT_ENDED = "wait-ended"
    CUSTOM_TASK_ADDED = "custom-task-added"
    CUSTOM_TASK_CHANGED = "custom-task-changed"
    CUSTOM_TASK_REMOVED = "custom-task-removed"
    CHECK_REQUESTED = "check-requested"
    TEST_MESSAGE_SUBMITTED = "test-message-submitted"
    RECEIVED_MESSAGE_SUBMITTED = "received-message-submitted"
    PLATFORM_EXPORT_SUBMITTED = "platform-export-submitted"
    # Schedule
    TASK_ASSIGNED = "task-assigned"
    DUE_DATE_SET = "due-date-set"
    ORIGINAL_SCHEDULE_SAVED = "original-schedule-saved"
    WORKING_TIME_CHANGED = "working-time-changed"
    HOLIDAY_ADDED = "holiday-added"
    HOLIDAY_REMOVED = "holiday-removed"
    FREEZE_ADDED = "freeze-added"
    FREEZE_REMOVED = "freeze-removed"
    REMINDER_SENT = "reminder-sent"
    # Plan templates
    PLAN_UPGRADED = "plan-upgraded"
    TEMPLATE_DRAFT_CREATED = "template-draft-created"
    TEMPLATE_DRAFT_DISCARDED = "template-draft-discarded"
    TEMPLATE_PUBLISHED = "template-published"
    # Requirements sheets
    SHEET_ADDED = "sheet-added"
    SHEET_CHANGED = "sheet-changed"
    SHEET_REMOVED = "sheet-removed"
    SHEET_IMPORTED = "sheet-imported"
    SHEET_SIGNED_OFF = "sheet-signed-off"
    SHEET_SIGN_OFF_WITHDRAWN = "sheet-sign-off-withdrawn"
    # Cutovers
    CUTOVER_PLANNED = "cutover-planned"
    CUTOVER_CHANGED = "cutover-changed"
    CUTOVER_CANCELLED = "cutover-cancelled"
    WINDOW_CONFIRMED = "window-confirmed"
    APPROVERS_SET = "approvers-set"
    CUTOVER_VOTED = "cutover-voted"
    CUTOVER_DECIDED = "cutover-decided"
    ON_CALL_ADDED = "on-call-added"
    ON_CALL_REMOVED = "on-call-removed"
    DRY_RUN_RECORDED = "dry-run-recorded"
    SNAPSHOT_SAVED = "snapshot-saved"
    # Monitoring
    MONITORING_STARTED = "monitoring-started"
    DRIFT_OPENED = "drift-opened"
    DRIFT_CLOSED = "drift-closed"
    DRIFT_ACKNOWLEDGED = "drift-acknowledged"
    DRIFT_MUTED = "drift-muted"
    DRIFT_UNMUTED = "drift-unmuted"
    # Collaboration
    COMMENT_ADDED = "comment-added"
    COMMENT_DELETED = "comment-deleted"
    QUESTION_ASKED = "question-asked"
    CONTACT_ADDED = "contact-added"
    CONTACT_CHANGED = "contact-changed"
    CONTACT_REMOVED = "contact-removed"
    FILE_ADDED = "file-added"
    FILE_REFUSED = "file-refused"
    SHARE_LINK_CREATED = "share-link-created"
    SHARE_LINK_REVOKED = "share-link-revoked"
    SHARE_LINK_VIEWED = "share-link-viewed"
    SHARE_LINK_CHECK_REQUESTED = "share-link-check-requested"
    SHARE_LINK_REFUSED = "share-link-refused"
    # Webhooks and calendar feeds
    WEBHOOK_ADDED = "webhook-added"
    WEBHOOK_SECRET_ROTATED = "webhook-secret-rotated"
    WEBHOOK_PAUSED = "webhook-paused"
    WEBHOOK_RESUMED = "webhook-resumed"
    WEBHOOK_REMOVED = "webhook-removed"
    CALENDAR_FEED_CREATED = "calendar-feed-created"
    CALENDAR_FEED_REVOKED = "calendar-feed-revoked"
    # Tenants
    TENANT_CREATED = "tenant-created"
    TENANT_CLOSED = "tenant-closed"
    TENANT_REOPENED = "tenant-reopened"
    TENANT_ERASED = "tenant-erased"
    TENANT_IMPORTED = "tenant-imported"
    CHECKS_STARTED = "checks-started"
    # Activity logs and records
    RECORD_REPAIRED = "record-repaired"
    LOGS_REGISTERED = "logs-registered"
    HEADS_SENT = "heads-sent"
    IMPLEMENTATION_COMPLETED = "implementation-completed"
    RESIDUAL_RISK_ACCEPTED = "residual-risk-accepted"
    RESIDUAL_RISK_WITHDRAWN = "residual-risk-withdrawn"
    PROFILE_CHANGED = "profile-changed"
    SUGGESTION_DISMISSED = "suggestion-dismissed"
    SUBJECTS_ADDED = "subjects-added"
    SUBJECTS_CHANGED = "subjects-changed"
    SUBJECTS_REMOVED = "subjects-removed"
    SUBJECTS_DELETED = "subjects-deleted"
    VALUE_PROPOSED = "value-proposed"
    PROPOSAL_WITHDRAWN = "proposal-withdrawn"
    PROPOSAL_CONFIRMED = "proposal-confirmed"
    PROPOSAL_REJECTED = "proposal-rejected"
    CONSENT_GIVEN = "consent-given"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CLOSING_PACK_REQUESTED = "closing-pack-requested"
    CLOSING_PACK_READY = "closing-pack-ready"
    CLOSING_PACK_DOWNLOADED = "closing-pack-downloaded"
    EXPORT_REQUESTED = "export-requested"
    EXPORT_READY = "export-ready"
    EXPORT_DOWNLOADED = "export-downloaded"
    # People
    PERSON_INVITED = "person-invited"
    INVITATION_RESENT = "invitation-resent"
    INVITATION_REVOKED = "invitation-revoked"
    INVITATION_ACCEPTED = "invitation-accepted"
    INVITATION_REFUSED = "invitation-refused"
    ROLE_CHANGED = "role-changed"
    PERSON_REMOVED = "person-removed"
    STAFF_ADDED = "staff-added"
    STAFF_CHANGED = "staff-changed"
    REGIONS_REVIEWED = "regions-reviewed"
    PERSON_DEACTIVATED = "person-deactivated"
    PERSON_ACTIVATED = "person-activated"
    PERSON_PROVISIONED = "person-provisioned"
    PERSON_RENAMED = "person-renamed"
    PERSON_DEPROVISIONED = "person-deprovisioned"
    GROUP_CHANGED = "group-changed"
    GROUP_REMOVED = "group-removed"
    # Sign-ins
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    SIGN_IN_FAILED = "sign-in-failed"
    SIGN_IN_CODE_REJECTED = "sign-in-code-rejected"
    SINGLE_SIGN_ON_REFUSED = "single-sign-on-refused"
    PASSWORD_CHANGED = "password-changed"
    PASSWORD_RESET = "password-reset"
    SECOND_FACTOR_ADDED = "second-factor-added"
    SECOND_FACTOR_REMOVED = "second-factor-removed"
    SECOND_FACTOR_FAILED = "second-factor-failed"
    RECOVERY_CODES_GENERATED = "recovery-codes-generated"
    TOKEN_CREATED = "token-created"
    TOKEN_REVOKED = "token-revoked"
    SCIM_TOKEN_CREATED = "scim-token-created"
    SCIM_TOKEN_REVOKED = "scim-token-revoked"


# The hash of a line covers its name and its parameters, so stored lines are never rewritten.
# They retain what they were written with, and these tables translate it on reading.
RENAMED_ACTIVITIES: Mapping[str, ActivityName] = MappingProxyType(
    {
        "acceptance-ended": ActivityName.RISK_ACCEPTANCE_EXPIRED,
        "act-undone": ActivityName.ACTION_UNDONE,
        "approvers-named": ActivityName.APPROVERS_SET,
        "baseline-taken": ActivityName.ORIGINAL_SCHEDULE_SAVED,
        "case-completed": ActivityName.IMPLEMENTATION_COMPLETED,
        "colleague-added": ActivityName.STAFF_ADDED,
        "comment-taken-back": ActivityName.COMMENT_DELETED,
        "contact-named": ActivityName.CONTACT_ADDED,
        "cutover-dropped": ActivityName.CUTOVER_CANCELLED,
        "decline-ended": ActivityName.DECLINE_CANCELLED,
        "drift-ended": ActivityName.DRIFT_CLOSED,
        "exemption-ended": ActivityName.EXEMPTION_REMOVED,
        "handoff-created": ActivityName.SHARE_LINK_CREATED,
        "handoff-look": ActivityName.SHARE_LINK_CHECK_REQUESTED,
        "handoff-refused": ActivityName.SHARE_LINK_REFUSED,
        "handoff-revoked": ActivityName.SHARE_LINK_REVOKED,
        "handoff-viewed": ActivityName.SHARE_LINK_VIEWED,
        "look-requested": ActivityName.CHECK_REQUESTED,
        "message-shown": ActivityName.TEST_MESSAGE_SUBMITTED,
        "on-call-named": ActivityName.ON_CALL_ADDED,
        "own-task-added": ActivityName.CUSTOM_TASK_ADDED,
        "own-task-changed": ActivityName.CUSTOM_TASK_CHANGED,
        "own-task-removed": ActivityName.CUSTOM_TASK_REMOVED,
        "pack-downloaded": ActivityName.CLOSING_PACK_DOWNLOADED,
        "pack-ready": ActivityName.CLOSING_PACK_READY,
        "pack-requested": ActivityName.CLOSING_PACK_REQUESTED,
        "plan-moved": ActivityName.PLAN_UPGRADED,
        "recovery-codes-made": ActivityName.RECOVERY_CODES_GENERATED,
        "rehearsed": ActivityName.DRY_RUN_RECORDED,
        "reminded": ActivityName.REMINDER_SENT,
        "sheet-signed": ActivityName.SHEET_SIGNED_OFF,
        "sheet-unsigned": ActivityName.SHEET_SIGN_OFF_WITHDRAWN,
        "snapshot-taken": ActivityName.SNAPSHOT_SAVED,
        "task-extended": ActivityName.TASK_DOMAINS_ADDED,
        "task-moved": ActivityName.TASK_STATUS_CHANGED,
        "task-proven": ActivityName.TASK_VERIFIED,
        "task-reopened": ActivityName.TASK_REGRESSED,
        "template-draft-begun": ActivityName.TEMPLATE_DRAFT_CREATED,
        "template-draft-dropped": ActivityName.TEMPLATE_DRAFT_DISCARDED,
        "wait-over": ActivityName.WAIT_ENDED,
        "waiting-period-ended": ActivityName.WAIT_ENDED,
        "watch-begun": ActivityName.MONITORING_STARTED,
    }
)

_REASON = {"because": "reason"}
_DOMAINS = {"of": "domains"}
_LINK = {"handoff": "share_link"}
_ROLE = {"part": "role"}

# By current name: the parameters that had another key. `of` of a share link is still `of`.
RENAMED_PARAMS: Mapping[ActivityName, Mapping[str, str]] = MappingProxyType(
    {
        ActivityName.TASK_STATUS_CHANGED: {"move": "transition", **_REASON},
        ActivityName.DOMAIN_EXEMPTED: _REASON,
        ActivityName.EXEMPTION_REMOVED: _REASON,
        ActivityName.CUTOVER_PLANNED: _DOMAINS,
        ActivityName.CUTOVER_CHANGED: _DOMAINS,
        ActivityName.CUTOVER_CANCELLED: _DOMAINS,
        ActivityName.WINDOW_CONFIRMED: {**_DOMAINS, **_REASON},
        ActivityName.APPROVERS_SET: _DOMAINS,
        ActivityName.CUTOVER_VOTED: {"says": "vote", **_DOMAINS, **_REASON},
        ActivityName.CUTOVER_DECIDED: {"says": "decision", **_DOMAINS},
        ActivityName.ON_CALL_ADDED: _DOMAINS,
        ActivityName.ON_CALL_REMOVED: _DOMAINS,
        ActivityName.DRY_RUN_RECORDED: {"held_back": "blockers", **_DOMAINS},
        ActivityName.SNAPSHOT_SAVED: _DOMAINS,
        ActivityName.MONITORING_STARTED: _REASON,
        ActivityName.DRIFT_CLOSED: {"ending": "resolution", **_REASON},
        ActivityName.DRIFT_ACKNOWLEDGED: _REASON,
        ActivityName.CONTACT_ADDED: _ROLE,
        ActivityName.CONTACT_CHANGED: _ROLE,
        ActivityName.CONTACT_REMOVED: _ROLE,
        ActivityName.SHARE_LINK_CREATED: _LINK,
        ActivityName.SHARE_LINK_REVOKED: _LINK,
        ActivityName.SHARE_LINK_VIEWED: _LINK,
        ActivityName.SHARE_LINK_CHECK_REQUESTED: _LINK,
        ActivityName.SHARE_LINK_REFUSED: _LINK,
        ActivityName.TENANT_REOPENED: _REASON,
        ActivityName.STAFF_CHANGED: {"watches": "followed_consultants"},
    }
)

_STATUSES = {
    "half": "partly_confirmed",
    "claimed": "awaiting_verification",
    "broken": "regressed",
    "proven": "verified",
    "accepted": "accepted_risk",
}

# By current key: the values that were stored under another name. No current value is a key here.
RENAMED_VALUES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "before": _STATUSES,
        "after": _STATUSES,
        "transition": {
            "accept": "accept-risk",
            "set-aside": "mark-not-needed",
            "take-up": "reconsider",
            "bring-back": "restore",
        },
        "resolution": {"mended": "resolved", "settled": "applied", "let_go": "unmonitored"},
    }
)


def current_name(stored: str) -> str:
    """The present name of a stored one. A name from a later version is returned unchanged."""
    return str(RENAMED_ACTIVITIES.get(stored, stored))


def current_params(stored: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a line with the stored name, with the present keys and values."""
    name = current_name(stored)
    keys = RENAMED_PARAMS.get(ActivityName(name), {}) if name in ActivityName else {}
    return {
        keys.get(key, key): _value(keys.get(key, key), value, keys) for key, value in params.items()
    }


def _value(key: str, value: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {keys.get(inner, inner): each for inner, each in value.items()}
    return RENAMED_VALUES.get(key, {}).get(value, value) if isinstance(value, str) else value


def stored_names(*names: ActivityName) -> list[str]:
    """Every spelling under which lines of these names are stored. Queries must filter by it."""
    earlier = [old for old, new in RENAMED_ACTIVITIES.items() if new in names]
    return [*(name.value for name in names), *earlier]
