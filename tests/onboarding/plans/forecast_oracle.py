"""An independent forecast: a simulation that runs through the plan day by day.

It shares no code with `onboarding.plans.forecast` except the input types.
"""

from __future__ import annotations

from datetime import date, timedelta

from onboarding.plans.forecast import ForecastInputs, ForecastStep, StepKind

LONGEST_DAYS = 3000


class Simulation:
    """The state of a plan on one day."""

    def __init__(self, inputs: ForecastInputs) -> None:
        self.inputs = inputs
        self.day = inputs.today
        self.done: dict[str, date] = {}
        self.started: dict[str, int] = {}
        self.windows: dict[str, date] = {}

    def run(self) -> date:
        """Run through the days until every step is done. Returns the last day with an end."""
        for _ in range(LONGEST_DAYS):
            self._count_working_day()
            while any(self._try(step) for step in self._open()):
                pass
            if not self._open():
                break
            self.day += timedelta(days=1)
        else:
            raise AssertionError("the plan never ends")
        return max(self.done.values(), default=self.inputs.today)

    def _open(self) -> list[ForecastStep]:
        return [step for step in self.inputs.steps if step.key not in self.done]

    def _works(self, side: str) -> bool:
        calendar = self.inputs.calendars[side or "both"]
        return self.day.weekday() in calendar.weekdays and self.day not in calendar.holidays

    def _frozen(self) -> bool:
        return any(each.first <= self.day <= each.last for each in self.inputs.freezes)

    def _count_working_day(self) -> None:
        """One day less for each step that is under way."""
        for step in self._open():
            if step.key in self.started and (step.kind is StepKind.WAIT or self._works(step.side)):
                self.started[step.key] -= 1

    def _is_ready(self, step: ForecastStep) -> bool:
        keys = {each.key for each in self.inputs.steps}
        return all(key in self.done for key in step.after if key in keys) and all(
            bound.day <= self.day for bound in step.bounds
        )

    def _try(self, step: ForecastStep) -> bool:
        """Start or finish the step if today allows it. Returns whether it is done now."""
        if step.done_on is not None:
            return self._finish(step) if step.done_on <= self.day else False
        if step.key not in self.started:
            if not self._is_ready(step):
                return False
            if step.kind is StepKind.CUTOVER:
                return self._try_cutover(step)
            if step.kind is StepKind.WORK and not self._works(step.side):
                return False
            self.started[step.key] = 0 if step.kind is StepKind.GROUP else step.days
        return self._finish(step) if self.started[step.key] <= 0 else False

    def _finish(self, step: ForecastStep) -> bool:
        self.done[step.key] = self.day
        return True

    def _try_cutover(self, step: ForecastStep) -> bool:
        is_usual_day = self._works("both") and not self._frozen()
        for window in step.windows:
            on_its_day = self.day == window.day and (window.ignores_freeze or not self._frozen())
            if on_its_day or (self.day >= window.day and is_usual_day):
                self.windows.setdefault(window.key, self.day)
        if (step.is_unplanned or not step.windows) and is_usual_day:
            self.windows.setdefault(f"{step.key}: none", self.day)
        needed = [window.key for window in step.windows]
        if step.is_unplanned or not step.windows:
            needed.append(f"{step.key}: none")
        return self._finish(step) if all(key in self.windows for key in needed) else False
