// Single-key shortcuts, which the reader can switch off (WCAG 2.1.4). An element says its key itself
// by data-key: fields and buttons get the focus, links are followed. Rows are walked by j and k.

const STORAGE_KEY = "gangway.shortcuts";
const ROWS = "details.task > summary, [data-row]";
const dialog = document.getElementById("shortcuts");
const box = document.getElementById("shortcuts-on");

box.checked = localStorage.getItem(STORAGE_KEY) !== "off";
box.addEventListener("change", () => localStorage.setItem(STORAGE_KEY, box.checked ? "on" : "off"));

const task = () => document.activeElement.closest("details.task");

function move(step) {
  const rows = [...document.querySelectorAll(ROWS)];
  if (!rows.length) return;
  const at = document.activeElement;
  const here = rows.findIndex((row) => row === at || row.matches("summary") && row.parentElement.contains(at));
  const next = here === -1 ? 0 : Math.min(Math.max(here + step, 0), rows.length - 1);
  rows[next].focus();
}

function toggleSelection() {
  const row = document.activeElement;
  if (row.matches("input[type=checkbox][data-row]")) row.click();
}

const ACTIONS = {
  "/": () => document.getElementById("search")?.focus(),
  "?": () => dialog.showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: toggleSelection,
};

// In the task one stands in if it has such a thing, else on the page outside all tasks.
function elementAction(key) {
  const those = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  const inside = task() && those.find((element) => task().contains(element));
  const found = inside || those.find((element) => !element.closest("details.task"));
  if (!found) return null;
  return () => {
    if (found.matches("a")) return found.click();
    found.closest("details.task")?.setAttribute("open", "");
    found.focus();
  };
}

function tab(key) {
  // 0 is the tenth, as it stands on the keyboard.
  const place = (Number(key) || 10) - 1;
  const link = /^[0-9]$/.test(key) && document.querySelectorAll("[data-tabs] a")[place];
  return link ? () => link.click() : null;
}

// From the search box the arrows lead along what was found, and back.
function moveThroughResults(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const search = step && event.target.closest("[data-search]");
  if (!search) return;
  const places = [document.getElementById("search"), ...search.querySelectorAll("[data-result]")];
  const next = places[places.indexOf(event.target) + step];
  event.preventDefault();
  next?.focus();
}

document.addEventListener("keydown", moveThroughResults);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !box.checked || dialog.open) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  const action = ACTIONS[event.key] ?? elementAction(event.key) ?? tab(event.key);
  if (!action) return;
  event.preventDefault();
  action();
});
