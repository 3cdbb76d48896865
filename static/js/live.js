// Updates an open page: when its revision changes, htmx fetches the page's fragment again. live_stream.js
// and live_poll.js report revisions. page_state.js preserves open rows, input and focus.

import { changedFields } from "./page_state.js";
import { partsInUse, replaceUnused } from "./live_parts.js";

const UPDATED = "gangway:updated";
const RETRY_MS = 5000;

// The newest reported revision that the page does not show yet, and that of the running update.
let pending = "";
let requested = "";
let retry = 0;

const fragment = () => document.querySelector("[data-live-url]");
const isUpdate = (event) => event.detail.requestConfig?.triggeringEvent?.type === UPDATED;

function update() {
  const live = fragment();
  if (!live || !pending || requested) return;
  if (pending === live.dataset.liveRevision) pending = "";
  else if (!isInUse(live) || !isShownPartly()) document.body.dispatchEvent(new CustomEvent(UPDATED));
}

// While a part is in use, the other parts show the newest revision, and a notice offers the rest.
const notice = () => document.getElementById("page-changed");
const isShownPartly = () => notice().dataset.revision === pending;

// Nothing restores the caret of a field, an open menu or a chosen file: these parts wait for them.
const isInUse = (live) => partsInUse(live).length > 0;

document.addEventListener("gangway:revision", (event) => {
  pending = event.detail;
  update();
});
// The user has left the field, or closed the menu.
document.addEventListener("focusout", () => setTimeout(update));
document.addEventListener("toggle", () => setTimeout(update), true);

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isUpdate(event)) [requested, pending] = [pending, ""];
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isUpdate(event)) return;
  const live = fragment();
  notice().hidden = !isInUse(live);
  if (notice().hidden) return;
  event.detail.shouldSwap = false;
  pending ||= requested;
  notice().dataset.revision = requested;
  const received = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  const newest = received.getElementById(live.id);
  if (newest) replaceUnused(live, newest, [...partsInUse(live), ...changedFields(live)]);
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-live-apply]")) return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) menu.open = false;
  update();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isUpdate(event)) return;
  if (!event.detail.successful) {
    pending ||= requested;
    clearTimeout(retry);
    retry = setTimeout(update, RETRY_MS);
  }
  requested = "";
});
document.addEventListener("htmx:afterSettle", () => {
  document.dispatchEvent(new CustomEvent("gangway:settled"));
  if (!pending) notice().hidden = true;
  update();
});
