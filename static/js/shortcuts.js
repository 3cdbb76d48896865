// Single-key shortcuts, which the user can disable (WCAG 2.1.4). The list in components/shortcuts.html
// declares the keys: a key without an entry there does nothing. The data-key attribute of an element
// names its key: fields and buttons receive the focus, links are followed.

const STORAGE_KEY = "gangway.shortcuts";
const ROWS = "details.task > summary, [data-row]";
const dialog = document.getElementById("shortcuts");
const box = document.getElementById("shortcuts-on");
// The name of the action by key.
const DECLARED = new Map(
  [...dialog.querySelectorAll("[data-shortcut]")].flatMap(({ dataset, textContent }) =>
    [...(dataset.keys ?? textContent)].map((key) => [key, dataset.shortcut]),
  ),
);

box.checked = localStorage.getItem(STORAGE_KEY) !== "off";
box.addEventListener("change", () => localStorage.setItem(STORAGE_KEY, box.checked ? "on" : "off"));

const task = () => document.activeElement.closest("details.task");

function move(offset) {
  const rows = [...document.querySelectorAll(ROWS)];
  if (!rows.length) return;
  const focused = document.activeElement;
  const current = rows.findIndex(
    (row) => row === focused || (row.matches("summary") && row.parentElement.contains(focused)),
  );
  const next = current === -1 ? 0 : Math.min(Math.max(current + offset, 0), rows.length - 1);
  rows[next].focus();
}

function toggleSelection() {
  const row = document.activeElement;
  if (row.matches("input[type=checkbox][data-row]")) row.click();
}

// Enter on the box of a row opens the row. On a link or a button it does what it does everywhere.
function openRow() {
  const row = document.activeElement;
  return row.matches("input[type=checkbox][data-row]") && row.closest("tr")?.querySelector("[data-open]");
}

// By name: the function of a key, or null if the key does nothing on this page.
const ACTIONS = {
  search: () => () => document.getElementById("search")?.focus(),
  help: () => () => dialog.showModal(),
  next: () => () => move(1),
  previous: () => () => move(-1),
  select: () => toggleSelection,
  element: elementAction,
  page: tab,
};

// The focused task's element with this key, otherwise the first one outside all tasks.
function elementAction(key) {
  const candidates = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  const inside = task() && candidates.find((element) => task().contains(element));
  const found = inside || candidates.find((element) => !element.closest("details.task"));
  if (!found) return null;
  return () => {
    if (found.matches("a")) return found.click();
    found.closest("details.task")?.setAttribute("open", "");
    found.focus();
  };
}

function tab(key) {
  // 0 is the tenth tab, as on the keyboard.
  const index = (Number(key) || 10) - 1;
  const link = document.querySelectorAll("[data-tabs] a")[index];
  return link ? () => link.click() : null;
}

// The arrow keys move from the search field through the results, and back.
function moveThroughResults(event) {
  const offset = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const search = offset && event.target.closest("[data-search]");
  if (!search) return;
  const stops = [document.getElementById("search"), ...search.querySelectorAll("[data-result]")];
  const next = stops[stops.indexOf(event.target) + offset];
  event.preventDefault();
  next?.focus();
}

document.addEventListener("keydown", moveThroughResults);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !box.checked || dialog.open) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  const opened = event.key === "Enter" && openRow();
  const action = opened ? () => opened.click() : ACTIONS[DECLARED.get(event.key)]?.(event.key);
  if (!action) return;
  event.preventDefault();
  action();
});
