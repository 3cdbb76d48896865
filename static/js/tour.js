// The tour: a dialog that shows one part of the home page after the other. Without this script, the page
// of the tour lists the steps. The end is stored on the server, so that the tour is offered once.

const HASH = "#tour";
let dialog = null;
let steps = [];
let index = 0;
let opener = null;

const home = () => document.querySelector("[data-tour-home]");
const targetOf = (step) =>
  step.dataset.tourStep && document.querySelector(`[data-tour="${CSS.escape(step.dataset.tourStep)}"]`);
// A hidden element, for example of a folded navigation, has no box.
const isShown = (element) => Boolean(element) && element.getClientRects().length > 0;

async function start(address, from) {
  if (dialog) return;
  const response = await fetch(address, { headers: { "HX-Request": "true" }, cache: "no-store" });
  if (!response.ok || response.redirected) return location.assign(address);
  document.body.insertAdjacentHTML("beforeend", await response.text());
  opener = from;
  dialog = document.getElementById("tour");
  steps = [...dialog.querySelectorAll("[data-tour-step]")].filter(
    (step) => !step.dataset.tourStep || isShown(targetOf(step)),
  );
  dialog.addEventListener("close", end);
  dialog.showModal();
  show(0);
}

function show(next) {
  index = next;
  for (const step of dialog.querySelectorAll("[data-tour-step]")) step.hidden = step !== steps[index];
  const step = steps[index];
  step.querySelector("[data-tour-position]").textContent = `Step ${index + 1} of ${steps.length}`;
  // The dialog has the name and the description of its present step.
  for (const id of ["tour-title", "tour-text"]) document.getElementById(id)?.removeAttribute("id");
  step.querySelector("h2").id = "tour-title";
  step.querySelector("h2 + p").id = "tour-text";
  dialog.querySelector("[data-tour-move='-1']").hidden = index === 0;
  dialog.querySelector("[data-tour-move='1']").textContent = index === steps.length - 1 ? "Finish" : "Next";
  dialog.querySelector("[data-tour-skip]").hidden = index === steps.length - 1;
  mark(targetOf(step));
  step.querySelector("h2").focus();
}

function mark(target) {
  document.querySelector("[data-tour-current]")?.removeAttribute("data-tour-current");
  delete dialog.dataset.place;
  if (!target) return;
  target.setAttribute("data-tour-current", "");
  target.scrollIntoView({ block: "center", behavior: "instant" });
  const { top, bottom } = target.getBoundingClientRect();
  dialog.dataset.place = top + bottom > innerHeight ? "top" : "bottom";
}

// Finished, skipped, or closed with Escape.
function end() {
  document.querySelector("[data-tour-current]")?.removeAttribute("data-tour-current");
  store(dialog.querySelector("form"));
  dialog.remove();
  dialog = null;
  document.querySelector(".tour-offer")?.remove();
  const back = opener?.isConnected && isShown(opener) ? opener : document.getElementById("content");
  back.focus();
}

// A request with keepalive outlives the page.
function store(form) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers"));
  fetch(form.action, { method: "POST", headers, keepalive: true, redirect: "manual" }).catch(() => undefined);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-tour-start]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const menu = link.closest("[data-menu]");
    menu?.removeAttribute("open");
    if (home()) start(link.href, menu?.querySelector("summary") ?? link);
    else location.assign(`/${HASH}`);
  }
  if (!dialog?.contains(event.target)) return;
  const move = event.target.closest("[data-tour-move]");
  const next = index + Number(move?.dataset.tourMove);
  if (event.target.closest("[data-tour-skip]") || next === steps.length) dialog.close();
  else if (move) show(next);
});

const link = document.querySelector("a[data-tour-start]");
if (location.hash === HASH && home() && link) {
  history.replaceState(null, "", location.pathname + location.search);
  start(link.href, null);
}
