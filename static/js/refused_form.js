// The page of a refused form (status 422) is the answer to a POST, which Back cannot repeat. Its entry in
// the history becomes that of the page with the form.

const navigation = performance.getEntriesByType("navigation")[0];

if (navigation?.responseStatus === 422) {
  // A form without an address posts to the present one.
  // form.action would be a field of that name.
  for (const form of document.forms) {
    form.setAttribute("action", new URL(form.getAttribute("action") || location.href, location.href).href);
  }
  const isOurs = document.referrer.startsWith(`${location.origin}/`);
  history.replaceState(history.state, "", isOurs ? document.referrer : location.href);
}
