// Preserves open rows, input and focus when htmx replaces the fragment of an open page, and announces
// changed labels.

let before = null;

function snapshot(live) {
  return {
    open: [...live.querySelectorAll("details[open][id]")].map((row) => row.id),
    labels: new Map([...live.querySelectorAll("[data-label]")].map((e) => [e.id, e.dataset.label])),
    focus: live.contains(document.activeElement) ? pathTo(document.activeElement, live) : "",
    values: new Map(changedFields(live).map((f) => [f.id, valueOf(f)])),
  };
}

const INPUTS =
  "select[id], textarea[id], input[id]:not([type=hidden], [type=file], [type=submit], [type=button])";
const fields = (live) => [...live.querySelectorAll(INPUTS)];
const isBox = (field) => field.type === "checkbox" || field.type === "radio";
const valueOf = (field) => (isBox(field) ? field.checked : field.value);
const defaultOption = (options) => options.find((option) => option.defaultSelected) ?? options[0];

function initialValue(field) {
  if (isBox(field)) return field.defaultChecked;
  return field.defaultValue ?? defaultOption([...field.options])?.value;
}

// The fields with a typed or chosen value that the server does not have.
export function changedFields(live) {
  return fields(live).filter((field) => valueOf(field) !== initialValue(field));
}

function restoreValue(field) {
  if (!before.values.has(field.id)) return;
  field[isBox(field) ? "checked" : "value"] = before.values.get(field.id);
}

// The nearest ancestor with an id, and the index of the focused element within it.
function pathTo(element, live) {
  const owner = element.closest("[id]");
  if (!owner || !live.contains(owner)) return "";
  const index = [...owner.querySelectorAll("a, button, summary")].indexOf(element);
  return { id: owner.id, index };
}

function restore(live) {
  for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
  fields(live).forEach(restoreValue);
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
  // A later listener can cancel the swap: live.js does so while a part is in use.
  queueMicrotask(() => {
    if (!event.detail.shouldSwap) before = null;
  });
  // Restore input only after an automatic update, not after the form was submitted.
  if (event.detail.requestConfig?.triggeringEvent?.type !== "gangway:updated") before.values.clear();
});
// Not earlier: until afterSettle, htmx resets every attribute (including open) to its value in the response.
document.addEventListener("htmx:afterSettle", () => {
  const live = document.querySelector("[data-live-url]");
  if (before && live) {
    restore(live);
    before = null;
  }
});
