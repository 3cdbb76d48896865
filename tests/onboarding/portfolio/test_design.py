"""The design page shows every component of the product in every state."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Drift
from onboarding.plans.current_state import CurrentState, SubjectStatus
from onboarding.plans.rows import Shape
from onboarding.portfolio.design.specimens import AROUND_EACH_PAGE, Specimen, specimens
from tenants.models import User
from tests.factories import SignIn
from tests.markup import texts

FILES = sorted(
    path.stem for path in (Path(settings.BASE_DIR) / "templates/components").glob("*.html")
)
AROUND = {"topbar": "topbar", "logo": "<svg", "shortcuts": 'id="shortcuts"', "user_menu": "menu"}
STATES = {
    "verdict": {shape.value.replace("_", " ") for shape in Shape},
    "badge": {shape.value.replace("_", " ") for shape in Shape},
    "subject_state": {CurrentState(status).label for status in SubjectStatus},
    "drift_description": set(Drift.Kind.labels),
}


def shown() -> dict[str, Specimen]:
    return {specimen.component: specimen for specimen in specimens(timezone.now())}


@pytest.mark.parametrize("name", FILES)
def test_component_is_on_the_design_page(name: str) -> None:
    assert name in {*shown(), *AROUND_EACH_PAGE}


def test_design_page_has_no_other_component() -> None:
    assert sorted({*shown(), *AROUND_EACH_PAGE}) == FILES


@pytest.mark.parametrize(("name", "states"), STATES.items())
def test_component_has_every_state(name: str, states: set[str]) -> None:
    assert set(shown()[name].states) == states


@pytest.mark.parametrize("name", [name for name in FILES if name not in AROUND_EACH_PAGE])
def test_every_state_is_rendered(name: str, consultant: User) -> None:
    specimen = shown()[name]

    for label, context in specimen.states.items():
        html = render_to_string(specimen.template, {"user": consultant, **context})
        assert bool(html.strip()) == (label != "without a date"), label


def test_design_page_shows_the_templates(consultant: User, signed_in: SignIn) -> None:
    response = signed_in(consultant).get(reverse("onboarding:design"))

    html = response.content.decode()
    assert response.status_code == 200
    for name, specimen in shown().items():
        assert html.count(f'data-component="{name}"') == len(specimen.states)
    assert [name for name, mark in AROUND.items() if mark not in html] == []
    assert texts(html, "h1")[0] == "Design system"


def test_design_page_is_for_staff(owner: User, signed_in: SignIn) -> None:
    assert signed_in(owner).get(reverse("onboarding:design")).status_code == 404
