// Preserves the typed text of a form that could not be sent because the session had ended. The draft
// stays in this tab. It returns after sign-in, to the same person, on the same page.

const KEY = "gangway:draft";
const MINUTES = 60;
const PRIVATE =
  "[type=hidden], [type=password], [type=file], [type=submit], [type=button], [autocomplete=one-time-code]";
const NOTICE = "Your session had ended. Your text is in the form again, and was not sent.";

const person = document.body.dataset.person ?? "";
const here = location.pathname + location.search;
const forget = () => sessionStorage.removeItem(KEY);
const store = (draft) => sessionStorage.setItem(KEY, JSON.stringify(draft));
const actionOf = (form) => form.getAttribute("action") ?? form.getAttribute("hx-post") ?? "";
const isBox = (field) => field.type === "checkbox" || field.type === "radio";
const fieldsOf = (form) =>
  [...form.elements].filter((field) => field.name && !field.matches(PRIVATE) && "value" in field);
const sameForms = (action) => [...document.forms].filter((form) => actionOf(form) === action);

function read() {
  const draft = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  return draft && Date.now() - draft.at < MINUTES * 60_000 ? draft : null;
}

function remember(form) {
  const values = fieldsOf(form).map((field) => (isBox(field) ? field.checked : field.value));
  const action = actionOf(form);
  store({ person, page: here, action, index: sameForms(action).indexOf(form), values, at: Date.now() });
}

function restore(draft) {
  const form = sameForms(draft.action)[draft.index];
  const fields = form ? fieldsOf(form) : [];
  if (fields.length !== draft.values.length) return;
  fields.forEach((field, index) => {
    field[isBox(field) ? "checked" : "value"] = draft.values[index];
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  for (let box = form.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  form.closest("dialog:not([open])")?.showModal();
  const notice = document.createElement("p");
  notice.dataset.tone = "warning";
  notice.textContent = NOTICE;
  document.querySelector(".messages")?.append(notice);
  fields[0]?.focus();
}

function onLoad() {
  const draft = read();
  if (!draft) return forget();
  const back = document.querySelector("[data-draft-return]");
  if (!person || back) {
    store({ ...draft, pending: true });
    back?.setAttribute("href", draft.page);
  } else if (!draft.pending || draft.person !== person) {
    // The form was sent, or another person uses this tab.
    forget();
  } else if (draft.page === here) {
    restore(draft);
    forget();
  }
}

document.addEventListener(
  "submit",
  (event) => {
    const method = event.target.getAttribute("method") ?? "get";
    if (person && (method.toLowerCase() === "post" || event.target.hasAttribute("hx-post"))) {
      remember(event.target);
    }
  },
  true,
);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && !event.detail.xhr.getResponseHeader("HX-Redirect")) forget();
});
onLoad();
