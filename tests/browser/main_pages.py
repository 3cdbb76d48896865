"""The main pages of each role, on the sample data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from onboarding.models import Cutover, Phase, RequirementsSheet, TaskRole
from tests.browser.sample_world import SampleWorld

Parameters = Callable[[SampleWorld], list[str]]


@dataclass(frozen=True)
class MainPage:
    """A page of a role; `parameters` are those of its URL."""

    role: str
    url: str
    parameters: Parameters = lambda _: []
    query: Callable[[SampleWorld], str] = lambda _: ""

    @property
    def name(self) -> str:
        return f"{self.role}-{self.url.rpartition(':')[2].replace('_', '-')}"

    def address(self, world: SampleWorld) -> str:
        return reverse(self.url, args=self.parameters(world)) + self.query(world)


def _northwind(world: SampleWorld) -> list[str]:
    return [world.northwind.public_id]


def _cutover(world: SampleWorld) -> list[str]:
    cutover = Cutover.objects.filter(plan__tenant=world.northwind).earliest("planned_at")
    return [world.northwind.public_id, cutover.public_id]


def _sheet(world: SampleWorld) -> list[str]:
    sheet = RequirementsSheet.objects.filter(task__plan__tenant=world.northwind).earliest("pk")
    return [world.northwind.public_id, sheet.public_id]


def _open_phase(world: SampleWorld) -> str:
    phase = Phase.objects.get(
        plan__tenant=world.northwind, tasks__role=TaskRole.VERIFIES_SPF, tasks__parent=None
    )
    return f"?phase={phase.key}"


MAIN_PAGES = (
    MainPage("signed-out", "account_login"),
    MainPage("consultant", "onboarding:desk"),
    MainPage("consultant", "onboarding:tenant-list"),
    MainPage("consultant", "onboarding:tenant-create"),
    MainPage("consultant", "onboarding:plan-show", _northwind, _open_phase),
    MainPage("consultant", "onboarding:domains", _northwind),
    MainPage("consultant", "onboarding:requirements", _northwind),
    MainPage("consultant", "onboarding:requirements-sheet", _sheet),
    MainPage("consultant", "onboarding:cutovers", _northwind),
    MainPage("consultant", "onboarding:cutover-room", _cutover),
    MainPage("consultant", "onboarding:schedule", _northwind),
    MainPage("consultant", "onboarding:monitoring", _northwind),
    MainPage("client", "onboarding:my-tasks", _northwind),
    MainPage("client", "onboarding:plan-show", _northwind),
    MainPage("manager", "onboarding:dashboard"),
    MainPage("manager", "onboarding:tenant-list"),
)
