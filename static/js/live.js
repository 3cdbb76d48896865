// Keeps an open page true: polls the plan's revision and, when it grew, lets htmx fetch the
// page's fragment again. Open rows stay open, focus stays, and changes are announced.

const POLL_MS = 1000;
const LONGEST_POLL_MS = 15000;
const UPDATED = "gangway:updated";

let failures = 0;
let timer = 0;
let before = null;

const fragment = () => document.querySelector("[data-live-url]");
const connection = () => document.getElementById("connection");

function schedule(delay) {
  clearTimeout(timer);
  if (fragment() && !document.hidden) timer = setTimeout(poll, delay);
}

async function poll() {
  const live = fragment();
  if (!live) return;
  try {
    const response = await fetch(live.dataset.liveUrl, { cache: "no-store", redirect: "error" });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    const revision = await response.text();
    showConnected();
    if (revision !== live.dataset.liveRevision && !isTypedIn(live)) {
      document.body.dispatchEvent(new CustomEvent(UPDATED));
    }
  } catch {
    failures += 1;
    connection().hidden = failures < 2;
  }
  schedule(Math.min(POLL_MS * 2 ** failures, LONGEST_POLL_MS));
}

function showConnected() {
  failures = 0;
  connection().hidden = true;
}

function isTypedIn(live) {
  const field = document.activeElement;
  const isField = field?.matches("input:not([type=hidden]), select, textarea");
  return Boolean(isField && live.contains(field)) || Boolean(live.querySelector("[data-menu][open]"));
}

function snapshot(live) {
  return {
    open: [...live.querySelectorAll("details[open][id]")].map((row) => row.id),
    labels: new Map([...live.querySelectorAll("[data-label]")].map((e) => [e.id, e.dataset.label])),
    focus: live.contains(document.activeElement) ? pathTo(document.activeElement, live) : "",
    typed: new Map(fields(live).filter((f) => f.value !== initialValue(f)).map((f) => [f.id, f.value])),
  };
}

const TYPED =
  "select[id], textarea[id], input[id]:is([type=text], [type=tel], [type=number], [type=date])";
const fields = (live) => [...live.querySelectorAll(TYPED)];
const chosen = (options) => options.find((option) => option.defaultSelected) ?? options[0];
const initialValue = (field) => field.defaultValue ?? chosen([...field.options])?.value;

// The nearest element with an id, and which of its focusable descendants has the focus.
function pathTo(element, live) {
  const owner = element.closest("[id]");
  if (!owner || !live.contains(owner)) return "";
  const place = [...owner.querySelectorAll("a, button, summary")].indexOf(element);
  return { id: owner.id, place };
}

function restore(live) {
  for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
  for (const field of fields(live)) field.value = before.typed.get(field.id) ?? field.value;
  const owner = before.focus && document.getElementById(before.focus.id);
  const target = owner && (owner.querySelectorAll("a, button, summary")[before.focus.place] ?? owner);
  if (target && !target.contains(document.activeElement)) target.focus({ preventScroll: true });
  const news = [...live.querySelectorAll("[data-label]")]
    .filter((e) => before.labels.has(e.id) && before.labels.get(e.id) !== e.dataset.label)
    .map((e) => e.dataset.label);
  if (news.length) document.getElementById("announcer").textContent = news.slice(0, 3).join(". ");
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  if (!target?.matches?.("[data-live-url]")) return;
  before = snapshot(target);
  // What a form sent is not typed once more; only a page that moves by itself keeps it.
  if (event.detail.requestConfig?.triggeringEvent?.type !== UPDATED) before.typed.clear();
});
// Not earlier: while it settles, htmx gives every attribute (open, too) back as it was sent.
document.addEventListener("htmx:afterSettle", () => {
  if (before && fragment()) {
    restore(fragment());
    before = null;
  }
});
document.addEventListener("visibilitychange", () => schedule(0));
addEventListener("online", () => schedule(0));
schedule(POLL_MS);
