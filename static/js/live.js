// Updates an open page: when its revision changes, htmx fetches the page's fragment again. live_stream.js
// and live_poll.js report revisions. page_state.js preserves open rows, input and focus.

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
  else if (!isInUse(live)) document.body.dispatchEvent(new CustomEvent(UPDATED));
}

// Nothing restores the caret of a field, an open menu or a chosen file: the update waits for them.
function isInUse(live) {
  const field = document.activeElement;
  const isField = field?.matches("input:not([type=hidden]), select, textarea");
  const files = [...live.querySelectorAll("input[type=file]")];
  return (
    Boolean(isField && live.contains(field)) ||
    Boolean(live.querySelector("[data-menu][open], :popover-open")) ||
    files.some((file) => file.files.length > 0)
  );
}

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
  if (!isUpdate(event) || !isInUse(fragment())) return;
  event.detail.shouldSwap = false;
  pending ||= requested;
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
  update();
});
