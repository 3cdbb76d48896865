"""Measure the layout shifts of a page, as Chromium reports them (PerformanceObserver)."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route

_OBSERVE = """
window.shifts = [];
const name = (node) => {
  const element = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
  return element ? `${element.tagName.toLowerCase()}.${element.className}#${element.id}` : "gone";
};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput)
      window.shifts.push(`${entry.value.toFixed(4)} ${entry.sources.map((s) => name(s.node))}`);
}).observe({ type: "layout-shift", buffered: true });
"""
# Milliseconds: the first paint, and the frames after the scripts.
_PAINT, _SETTLE = 250, 350


def shifts_of(page: Page, address: str) -> list[str]:
    """The layout shifts while the page loads and after one live update.

    Each has its score and the moved elements. The scripts arrive after the first paint, as over a
    slow connection: a change that they make then shows.
    """
    held: list[Route] = []
    is_paused = True

    def hold(route: Route) -> None:
        if is_paused:
            held.append(route)
        else:
            route.fallback()

    page.add_init_script(_OBSERVE)
    page.route("**/*.js", hold)
    page.goto(address, wait_until="commit")
    page.wait_for_timeout(_PAINT)
    is_paused = False
    for route in held:
        route.fallback()
    page.wait_for_load_state("load")
    page.wait_for_timeout(_SETTLE)
    _update(page)
    found: list[Any] = page.evaluate("window.shifts")
    page.unroute("**/*.js")
    return [str(each) for each in found]


def _update(page: Page) -> None:
    """Let an open page reload its fragment, as after a change of another person."""
    if page.locator("[data-live-url][hx-get]").count():
        with page.expect_response(lambda response: "HX-Request" in _names(response.request)):
            page.evaluate("document.body.dispatchEvent(new Event('gangway:updated'))")
        page.wait_for_timeout(_SETTLE)


def _names(request: Any) -> set[str]:
    return {"HX-Request" for name in request.headers if name.lower() == "hx-request"}
