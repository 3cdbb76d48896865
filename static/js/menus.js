// Closes menus on Escape and on a click outside. Opens the row that the URL fragment names.

function closeMenus(except) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (menu !== except) menu.removeAttribute("open");
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("[data-menu]"));
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    closeMenus();
    document.getElementById(opener.dataset.dialog).showModal();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest?.("[data-menu][open]");
  closeMenus();
  menu?.querySelector("summary").focus();
});

function openTarget() {
  const row = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row instanceof HTMLDetailsElement) {
    row.open = true;
    row.querySelector("summary").focus();
  }
}

addEventListener("hashchange", openTarget);
openTarget();
