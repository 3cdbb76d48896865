"""The days that outbound mail runs through Mimecast before an inbound cutover. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding.models import ManualStatus, Task, TaskStatus


@dataclass(frozen=True)
class OutboundDays:
    """The agreed days of outbound mail before an inbound cutover.

    `is_required`: an open task requires them. `waived` is the sentence of a person's decision
    against them. `since` is None until outbound mail leaves through Mimecast.
    """

    days: int
    task: Task | None = None
    is_required: bool = True
    waived: str = ""
    since: datetime | None = None
    # The sentence of a person's decision that replaces the switch; `since` is then its time.
    decision: str = ""

    @property
    def ends_at(self) -> datetime | None:
        return None if self.since is None else self.since + timedelta(days=self.days)


def waived_days(wait: Task) -> str:
    """The sentence of the decision that the days are not waited for; empty without one."""
    if wait.status == TaskStatus.ACCEPTED_RISK:
        return f"Fewer days were accepted: “{wait.status_reason}”"
    if wait.manual_status == ManualStatus.NOT_NEEDED:
        return f"The outbound days do not apply: “{wait.status_reason}”"
    return ""


def replaced_switch(task: Task) -> str:
    """The sentence of the decision that replaces the switch of outbound mail; empty without one."""
    if task.status not in (TaskStatus.ACCEPTED_RISK, TaskStatus.DECLINED):
        return ""
    decided = "accepted" if task.status == TaskStatus.ACCEPTED_RISK else "declined"
    what = f"the risk of “{task.title}”" if decided == "accepted" else f"“{task.title}”"
    return f"Nothing shows that outbound mail has switched. A person {decided} {what}."
