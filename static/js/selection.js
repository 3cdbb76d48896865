// The selections of the list of tenants and of the schedule, and the query that other forms of the list send.
// Without this module the bar of bulk actions is visible always.

const NAMED = 3;
const form = () => document.querySelector("[data-selection]");
const boxes = (set) => [...set.querySelectorAll("input[data-select]")];

function show() {
  const set = form();
  const bar = set?.querySelector("[data-bulk-bar]");
  if (!bar) return;
  const chosen = boxes(set).filter((box) => box.checked);
  const all = set.querySelector("[data-select-all]");
  all.checked = chosen.length > 0 && chosen.length === boxes(set).length;
  all.indeterminate = chosen.length > 0 && !all.checked;
  bar.hidden = chosen.length === 0;
  bar.querySelector("[data-selected-count]").textContent = `${chosen.length} selected`;
  const names = chosen.map((box) => box.closest("tr").querySelector("[data-open]").textContent);
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  bar.querySelector("[data-selected-names]").textContent = names.slice(0, NAMED).join(", ") + more;
}

function selectAll(isChosen) {
  for (const box of boxes(form())) box.checked = isChosen;
  show();
}

// The number of selected tasks in the bulk form of the schedule.
function countTasks() {
  const place = document.querySelector("[data-selected-tasks]");
  if (place) place.textContent = document.querySelectorAll("input[name=task]:checked").length;
}

// The filters replace the rows alone: the forms and links above them need the new query.
function passQuery() {
  const query = document.querySelector("[data-query]")?.dataset.query;
  if (query === undefined) return;
  for (const field of document.querySelectorAll("[data-list-query]")) field.value = query;
  for (const link of document.querySelectorAll("[data-list-export]")) {
    link.search = `?${query}&format=${link.dataset.listExport}`;
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-select-all]")) selectAll(event.target.checked);
  else if (event.target.matches("[data-select]")) show();
  else if (event.target.matches("input[name=task]")) countTasks();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-select-none]")) selectAll(false);
});
document.addEventListener("htmx:afterSettle", () => {
  passQuery();
  show();
  countTasks();
});
// A page from the history of the browser has its boxes checked after this module runs.
addEventListener("pageshow", () => {
  show();
  countTasks();
});
show();
