// The parts of an open page that a person is using, and the update of all other parts.

// The forms of the focused field and of chosen files, and open menus.
export function partsInUse(live) {
  const field = document.activeElement;
  const isField = field?.matches("input:not([type=hidden]), select, textarea") && live.contains(field);
  const files = [...live.querySelectorAll("input[type=file]")].filter((each) => each.files.length > 0);
  const menus = [...live.querySelectorAll("[data-menu][open], :popover-open")];
  return [...(isField ? [field] : []), ...files].map((each) => each.closest("form") ?? each).concat(menus);
}

// Replaces the largest parts of `shown` that contain none of the parts in use. Elements correspond by
// their id, or by their place if both lists are equally long. Elements without a counterpart remain.
export function replaceUnused(shown, update, inUse) {
  if (inUse.includes(shown)) return;
  if (!inUse.some((part) => shown.contains(part))) {
    if (!shown.isEqualNode(update)) swap(shown, update);
    return;
  }
  const [before, after] = [[...shown.children], [...update.children]];
  const isEqual = before.length === after.length;
  before.forEach((child, index) => {
    const byId = child.id && after.find((other) => other.id === child.id);
    const other = byId || (isEqual && after[index].tagName === child.tagName && after[index]);
    if (other) replaceUnused(child, other, inUse);
  });
}

function swap(shown, update) {
  const open = [...shown.querySelectorAll("details[open][id]")].map((row) => row.id);
  shown.replaceWith(update);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  window.htmx?.process(update);
}
