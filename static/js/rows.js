// "Add another" button of a formset: inserts the empty form from its template with the next index.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-row]");
  if (!button) return;
  const set = button.closest("[data-rows]");
  const total = set.querySelector("input[name$=-TOTAL_FORMS]");
  const row = document.createElement("div");
  row.innerHTML = set.querySelector("template").innerHTML.replaceAll("__prefix__", total.value);
  total.value = Number(total.value) + 1;
  const added = row.firstElementChild;
  set.querySelector("[data-rows-end]").before(added);
  added.querySelector("input:not([type=hidden]), select")?.focus();
});
