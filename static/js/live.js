// Updates an open page: polls the revision of the plan and, after a change, lets htmx fetch the page's
// fragment again. The update preserves open rows and focus, and announces changes.

const POLL_MS = 1000;
const LONGEST_POLL_MS = 15000;
const UPDATED = "gangway:updated";

let failures = 0;
let timer = 0;
let before = null;

const fragment = () => document.querySelector("[data-live-url]");
const connection = () => document.getElementById("connection");
const signedOut = () => document.getElementById("signed-out");

function schedule(delay) {
  clearTimeout(timer);
  if (fragment() && !document.hidden) timer = setTimeout(poll, delay);
}

async function poll() {
  const live = fragment();
  if (!live) return;
  try {
    const response = await fetch(live.dataset.liveUrl, { cache: "no-store", redirect: "manual" });
    // Without a session the server redirects to the sign-in.
    if (response.type === "opaqueredirect") return showSignedOut();
    if (!response.ok) throw new Error(`answered ${response.status}`);
    const revision = await response.text();
    showConnected();
    if (revision !== live.dataset.liveRevision && !isInUse(live)) {
      document.body.dispatchEvent(new CustomEvent(UPDATED));
    }
  } catch {
    failures += 1;
    connection().hidden = failures < 2 || !signedOut().hidden;
  }
  schedule(Math.min(POLL_MS * 2 ** failures, LONGEST_POLL_MS));
}

function showConnected() {
  failures = 0;
  connection().hidden = signedOut().hidden = true;
}

// Polling continues: after a sign-in in another tab, the notice disappears.
function showSignedOut() {
  connection().hidden = true;
  signedOut().querySelector("a").search = new URLSearchParams({ next: location.pathname + location.search });
  signedOut().hidden = false;
  schedule(LONGEST_POLL_MS);
}

function isInUse(live) {
  const field = document.activeElement;
  const isField = field?.matches("input:not([type=hidden]), select, textarea");
  return Boolean(isField && live.contains(field)) || Boolean(live.querySelector("[data-menu][open]"));
}

function snapshot(live) {
  return {
    open: [...live.querySelectorAll("details[open][id]")].map((row) => row.id),
    labels: new Map([...live.querySelectorAll("[data-label]")].map((e) => [e.id, e.dataset.label])),
    focus: live.contains(document.activeElement) ? pathTo(document.activeElement, live) : "",
    values: new Map(fields(live).filter((f) => f.value !== initialValue(f)).map((f) => [f.id, f.value])),
  };
}

const INPUTS =
  "select[id], textarea[id], input[id]:is([type=text], [type=tel], [type=number], [type=date])";
const fields = (live) => [...live.querySelectorAll(INPUTS)];
const defaultOption = (options) => options.find((option) => option.defaultSelected) ?? options[0];
const initialValue = (field) => field.defaultValue ?? defaultOption([...field.options])?.value;

// The nearest ancestor with an id, and the index of the focused element within it.
function pathTo(element, live) {
  const owner = element.closest("[id]");
  if (!owner || !live.contains(owner)) return "";
  const index = [...owner.querySelectorAll("a, button, summary")].indexOf(element);
  return { id: owner.id, index };
}

function restore(live) {
  for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
  for (const field of fields(live)) field.value = before.values.get(field.id) ?? field.value;
  const owner = before.focus && document.getElementById(before.focus.id);
  const target = owner && (owner.querySelectorAll("a, button, summary")[before.focus.index] ?? owner);
  if (target && !target.contains(document.activeElement)) target.focus({ preventScroll: true });
  const changes = [...live.querySelectorAll("[data-label]")]
    .filter((e) => before.labels.has(e.id) && before.labels.get(e.id) !== e.dataset.label)
    .map((e) => e.dataset.label);
  if (changes.length) document.getElementById("announcer").textContent = changes.slice(0, 3).join(". ");
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  if (!target?.matches?.("[data-live-url]")) return;
  before = snapshot(target);
  // Restore input only after an automatic update, not after the form was submitted.
  if (event.detail.requestConfig?.triggeringEvent?.type !== UPDATED) before.values.clear();
});
// Not earlier: until afterSettle, htmx resets every attribute (including open) to its value in the response.
document.addEventListener("htmx:afterSettle", () => {
  if (before && fragment()) {
    restore(fragment());
    before = null;
  }
});
document.addEventListener("visibilitychange", () => schedule(0));
addEventListener("online", () => schedule(0));
schedule(POLL_MS);
