"""Reads the statements that a page makes about checks, tasks and the tenant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

# Sentences that are true only if nothing is drifted, regressed, failing or unknown.
ALL_CLEAR = re.compile(
    r"No drift since go-live|(?:All|Every) tasks? (?:is |are )?done(?!, but)(?! by)"
    r"|[Ee]verything is as|[Aa]ll checks pass"
)


@dataclass(frozen=True)
class Statement:
    """The icon of a check on a page, with its text. `check` is empty on a share link."""

    check: str
    status: str
    shape: str
    label: str


@dataclass(frozen=True)
class TaskStatement:
    """A task's row or card: its status and its first icon."""

    key: str
    shape: str


@dataclass
class Page:
    """The statements of one page."""

    checks: list[Statement] = field(default_factory=list)
    tasks: list[TaskStatement] = field(default_factory=list)
    # The icon of each element with an id, such as the rows of the readiness.
    shapes: dict[str, str] = field(default_factory=dict)
    badges: list[str] = field(default_factory=list)
    text: str = ""

    @property
    def all_clears(self) -> list[str]:
        return ALL_CLEAR.findall(self.text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._texts: list[str] = []
        self._id = ""
        self._task = ""
        self._svg: dict[str, str] | None = None
        self._title: list[str] | None = None
        self._badge: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "data-status" in values:
            self._task = values["id"]
        if values.get("id") and tag in ("li", "details", "article"):
            self._id = values["id"]
        if tag == "svg" and "data-verdict" in values:
            self._start_icon(values)
        if tag == "title" and self._svg is not None:
            self._title = []
        if "badge" in values.get("class", "").split():
            self._badge = []

    def _start_icon(self, values: dict[str, str]) -> None:
        self._svg = values
        if self._id:
            self.page.shapes.setdefault(self._id, values["data-verdict"])
        if self._task:
            self.page.tasks.append(TaskStatement(self._task, values["data-verdict"]))
            self._task = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title is not None and self._svg is not None:
            self._end_icon(" ".join("".join(self._title).split()))
        if tag == "svg":
            self._svg = None
        if tag in ("a", "span") and self._badge is not None:
            self.page.badges.append(" ".join("".join(self._badge).split()))
            self._badge = None

    def _end_icon(self, label: str) -> None:
        assert self._svg is not None
        if "data-state" in self._svg:
            statement = Statement(
                self._svg.get("data-check", ""),
                self._svg["data-state"],
                self._svg["data-verdict"],
                label,
            )
            self.page.checks.append(statement)
        self._title = None

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
            return
        if self._badge is not None:
            self._badge.append(data)
        self._texts.append(data)


def statements(html: str) -> Page:
    """The statements of a page."""
    reader = _Reader()
    reader.feed(html)
    reader.page.text = " ".join("".join(reader._texts).split())
    return reader.page
