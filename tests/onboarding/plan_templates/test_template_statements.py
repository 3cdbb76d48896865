"""The sources of the template's statements, and the places that its instructions name."""

from __future__ import annotations

import re

from onboarding.plan_templates.schema import Runbook
from onboarding.plan_templates.template_version import load_template_file

TEMPLATE = load_template_file()


def test_only_criteria_are_rules_of_gangway() -> None:
    """A statement about a mail system or about good practice needs a published source."""
    own = {key for key, source in TEMPLATE.sources.items() if source.title.startswith("Gangway")}
    elsewhere = {
        key for task in TEMPLATE.tasks for r in task.runbooks for s in r.steps for key in s.sources
    }
    elsewhere |= {key for each in TEMPLATE.tasks for key in (*each.do_sources, *each.why_sources)}
    elsewhere |= {key for phase in TEMPLATE.phases for key in phase.summary_sources}

    assert own == {"gangway_criteria"}
    assert own & elsewhere == set()
    assert [each.key for each in TEMPLATE.tasks if each.shown_by_sources[:1] != tuple(own)] == []


# Paths of Mimecast's console, and commands of Exchange.
CONSOLE_PATH = re.compile(r"Users & Groups|Gateway Policies|Services \||Account \||Internal Dir")
EXCHANGE_COMMAND = re.compile(r"\b(Get|Set|New|Enable|Disable)-[A-Z]\w+")


def test_steps_name_the_place_to_open() -> None:
    """A reader who has never seen the console or the shell finds its address and first commands."""
    missing = []
    for each in TEMPLATE.tasks:
        always = {v for r in each.runbooks if r.applies_when is None for v in values_of(r)}
        for runbook in each.runbooks:
            opens_console = CONSOLE_PATH.search(text_of(runbook))
            if opens_console and "sign_in_page" not in always | values_of(runbook):
                missing.append(f"{each.key}: sign-in page of “{runbook.title}”")
            if not names_its_shell(runbook):
                missing.append(f"{each.key}: shell of “{runbook.title}”")

    assert missing == []


def names_its_shell(runbook: Runbook) -> bool:
    if not any(EXCHANGE_COMMAND.search(step.command) for step in runbook.steps):
        return True
    is_on_server = "Exchange Management Shell" in text_of(runbook)
    return is_on_server or "exchange_online_powershell" in values_of(runbook)


def values_of(runbook: Runbook) -> set[str]:
    return {name for step in runbook.steps for name in step.values}


def text_of(*runbooks: Runbook) -> str:
    return " ".join(step.text for runbook in runbooks for step in runbook.steps)


# Words of a criterion that describe another system, which Gangway cannot define.
FOREIGN = re.compile(
    r"[Cc]onsole|Test Connection|[Hh]eader|Relay group|TTL|MX|5\.7\.|Entra|Google|licen[cs]e"
    r"|authorit|refused|digest|onmicrosoft|connector|policy of"
)


def test_criteria_on_other_systems_have_a_page() -> None:
    without = [
        each.key
        for each in TEMPLATE.tasks
        if FOREIGN.search(each.shown_by) and each.shown_by_sources == ("gangway_criteria",)
    ]

    assert without == []


# --- Why a task matters

# The words that the language guide replaces.
AVOIDED = re.compile(
    r"(?i)\b(what|whoever|whatever|nobody|somebody|tells?|says?|stands?|holds?|keeps?|takes?|gives?"
    r"|believes?|anew|meanwhile|beside)\b"
)


def test_every_task_has_a_reason_with_sources() -> None:
    without = [each.key for each in TEMPLATE.tasks if not (each.why and each.why_sources)]

    assert without == []


def test_reasons_are_short_and_plain() -> None:
    sentences = {
        each.key: re.split(r"(?<=[.!?])\s+(?=[A-Z“])", each.why) for each in TEMPLATE.tasks
    }

    long = [s for found in sentences.values() for s in found if len(s.split()) > 25]
    assert long == []
    assert [key for key, found in sentences.items() if len(found) > 2] == []
    assert [each.key for each in TEMPLATE.tasks if AVOIDED.search(each.why)] == []


def test_no_reason_occurs_twice() -> None:
    reasons = [each.why for each in TEMPLATE.tasks]

    assert len(set(reasons)) == len(reasons)
