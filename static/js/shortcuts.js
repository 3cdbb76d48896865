// Single-key shortcuts, which the reader can switch off (WCAG 2.1.4).

const KEPT = "gangway.shortcuts";
const dialog = document.getElementById("shortcuts");
const box = document.getElementById("shortcuts-on");

box.checked = localStorage.getItem(KEPT) !== "off";
box.addEventListener("change", () => localStorage.setItem(KEPT, box.checked ? "on" : "off"));

function move(step) {
  const rows = [...document.querySelectorAll("details.task > summary")];
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.parentElement.contains(document.activeElement));
  const next = here === -1 ? 0 : Math.min(Math.max(here + step, 0), rows.length - 1);
  rows[next].focus();
}

const ACTS = {
  "/": () => document.getElementById("search")?.focus(),
  "?": () => dialog.showModal(),
  j: () => move(1),
  k: () => move(-1),
};

// From the search box the arrows lead along what was found, and back.
function follow(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const search = step && event.target.closest("[data-search]");
  if (!search) return;
  const places = [document.getElementById("search"), ...search.querySelectorAll("[data-found]")];
  const next = places[places.indexOf(event.target) + step];
  event.preventDefault();
  next?.focus();
}

document.addEventListener("keydown", follow);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !box.checked || dialog.open) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const act = ACTS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
