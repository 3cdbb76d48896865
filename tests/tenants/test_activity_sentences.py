"""The sentences of the activity log: one template for each name, the same for earlier names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from tenants.activity_names import (
    RENAMED_ACTIVITIES,
    RENAMED_PARAMS,
    RENAMED_VALUES,
    ActivityName,
)
from tenants.models import ActivityLine, User
from tenants.templatetags.activity import FALLBACK_TEMPLATE, activity_sentence

TEMPLATES = Path(settings.BASE_DIR) / "templates" / "activity"

SAMPLES = yaml.safe_load((Path(__file__).parent / "activity_lines.yaml").read_text("utf-8"))
SENTENCES: list[tuple[str, dict[str, Any], str]] = SAMPLES["present"]
RENAMED_LINES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = SAMPLES["renamed"]


def _text(line: ActivityLine) -> str:
    """The sentence without its markup, in New York."""
    bare = re.sub(r"<[^>]+>", "", activity_sentence(line, "America/New_York"))
    return " ".join(bare.split())


def _line(action: str, params: dict[str, Any]) -> ActivityLine:
    return ActivityLine(action=action, params=params, actor=User(name="Jo"), tenant_id=1)


@pytest.mark.parametrize(("name", "params", "sentence"), SENTENCES)
def test_line_renders_its_sentence(name: str, params: dict[str, Any], sentence: str) -> None:
    assert _text(_line(name, params)) == sentence


def test_every_name_has_a_sample() -> None:
    assert {name for name, _, _ in SENTENCES} == set(ActivityName)


def test_every_name_has_one_template() -> None:
    templates = {file.stem for file in TEMPLATES.iterdir()} - {Path(FALLBACK_TEMPLATE).stem}

    assert templates == set(ActivityName.values)


def test_unknown_name_is_quoted() -> None:
    assert _text(_line("moon-landed", {})) == "Jo: moon-landed."


def test_line_without_actor_names_gangway() -> None:
    line = ActivityLine(action=ActivityName.TENANT_CLOSED.value)

    assert _text(line) == "Gangway closed the tenant."


def test_line_without_zone_shows_utc() -> None:
    line = _line(
        "cutover-planned", {"direction": "inbound", "planned_at": "2026-12-03T19:00:00+00:00"}
    )

    assert "19:00 UTC" in activity_sentence(line)


def test_share_link_line_shows_the_address() -> None:
    line = _line("share-link-viewed", {"share_link": "x", "recipient": "the DNS team"})
    line.address = "198.51.100.7"

    assert _text(line) == "The share link for the DNS team was opened from 198.51.100.7."


def test_global_freeze_names_all_tenants() -> None:
    line = ActivityLine(action="freeze-added", params={"freeze": "Year end"}, actor=User(name="Jo"))

    assert _text(line) == "Jo added a freeze for all tenants: Year end."


def test_params_are_escaped() -> None:
    line = _line("task-confirmed", {"task": "<b>SPF</b>", "side": "client"})

    assert "&lt;b&gt;SPF&lt;/b&gt;" in activity_sentence(line)


# --- Earlier names


@pytest.mark.parametrize(("stored", "stored_params", "name", "params"), RENAMED_LINES)
def test_earlier_line_has_the_present_sentence(
    stored: str, stored_params: dict[str, Any], name: str, params: dict[str, Any]
) -> None:
    earlier, present = _line(stored, stored_params), _line(name, params)

    assert (earlier.name, earlier.display_params) == (name, params)
    assert _text(earlier) == _text(present)


@pytest.mark.parametrize(("stored", "stored_params", "name", "params"), RENAMED_LINES)
def test_reading_leaves_the_stored_line(
    stored: str, stored_params: dict[str, Any], name: str, params: dict[str, Any]
) -> None:
    line = _line(stored, dict(stored_params))

    activity_sentence(line)

    assert (line.action, line.params) == (stored, stored_params)


def test_every_renaming_has_a_sample() -> None:
    stored = {action for action, _, _, _ in RENAMED_LINES}
    by_params = {name for _, before, name, after in RENAMED_LINES if before.keys() != after.keys()}
    values = {value for _, params, _, _ in RENAMED_LINES for value in map(str, params.values())}

    assert set(RENAMED_ACTIVITIES) <= stored
    assert set(RENAMED_PARAMS) - {ActivityName.STAFF_CHANGED} <= by_params
    assert {old for words in RENAMED_VALUES.values() for old in words} <= values
