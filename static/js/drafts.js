// Preserves the changed fields of a form that could not be sent because the session had ended. The
// draft stays in this tab. It returns after sign-in, to the same person, on the same page.

const KEY = "gangway:draft";
const MINUTES = 60;
const PRIVATE =
  "[type=hidden], [type=password], [type=file], [type=submit], [type=button], [autocomplete=one-time-code]";
const NOTICE = "Your session had ended. Your changes are in the form again, and were not sent.";

const person = document.body.dataset.person ?? "";
const here = location.pathname + location.search;
const forget = () => sessionStorage.removeItem(KEY);
const store = (draft) => sessionStorage.setItem(KEY, JSON.stringify(draft));
const actionOf = (form) => form.getAttribute("action") ?? form.getAttribute("hx-post") ?? "";
const isBox = (field) => field.type === "checkbox" || field.type === "radio";
const named = (form) => [...form.elements].filter((field) => field.name && "value" in field);
const typed = (form) => named(form).filter((field) => !field.matches(PRIVATE));
// The version of the record that the person saw: with it, the server reports another person's change.
const versions = (form) => named(form).filter((field) => /^expected/.test(field.name));
const sameForms = (action) => [...document.forms].filter((form) => actionOf(form) === action);

const read = () => JSON.parse(sessionStorage.getItem(KEY) ?? "null");
const isOld = (draft) => Date.now() - draft.at > MINUTES * 60_000;

function isChanged(field) {
  if (field.options) return [...field.options].some((o) => o.selected !== o.defaultSelected);
  return isBox(field) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

// A box is known by its value: the list can have other rows after sign-in.
function entryOf(field, form) {
  if (isBox(field)) return { name: field.name, value: field.value, checked: field.checked };
  const same = named(form).filter((other) => other.name === field.name);
  return { name: field.name, place: same.indexOf(field), count: same.length, value: field.value };
}

function find(form, entry) {
  const same = named(form).filter((field) => field.name === entry.name);
  if ("checked" in entry) return same.find((field) => field.value === entry.value);
  return same.length === entry.count ? same[entry.place] : undefined;
}

function remember(form) {
  const changed = typed(form).filter(isChanged);
  if (!changed.length) return forget();
  const entries = [...changed, ...versions(form)].map((field) => entryOf(field, form));
  const action = actionOf(form);
  store({ person, page: here, action, index: sameForms(action).indexOf(form), entries, at: Date.now() });
}

function restore(draft) {
  const form = sameForms(draft.action)[draft.index];
  const fields = form ? draft.entries.map((entry) => find(form, entry)) : [];
  if (!fields.length || fields.includes(undefined)) return;
  fields.forEach((field, index) => {
    const entry = draft.entries[index];
    if ("checked" in entry) field.checked = entry.checked;
    else field.value = entry.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  for (let box = form.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
  form.closest("dialog:not([open])")?.showModal();
  const notice = Object.assign(document.createElement("p"), { textContent: NOTICE });
  notice.dataset.tone = "warning";
  document.querySelector(".messages")?.append(notice);
  fields[0].focus();
}

function onLoad() {
  const draft = read();
  if (!draft || isOld(draft)) return forget();
  const back = document.querySelector("[data-draft-return]");
  if (!person || back) {
    store({ ...draft, pending: true });
    back?.setAttribute("href", draft.page);
  } else if (!draft.pending || draft.person !== person) {
    forget(); // The form was sent, or another person uses this tab.
  } else if (draft.page === here) {
    restore(draft);
    forget();
  }
}

function onSubmit({ target }) {
  const isPost = target.method === "post" || target.hasAttribute("hx-post");
  if (person && isPost) remember(target);
}

document.addEventListener("submit", onSubmit, true);
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && !event.detail.xhr.getResponseHeader("HX-Redirect")) forget();
});
onLoad();
