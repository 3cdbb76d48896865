// Updates an open page: polls the revision of the plan and, after a change, lets htmx fetch the page's
// fragment again. kept_state.js preserves open rows, input and focus.

const POLL_MS = 1000;
const LONGEST_POLL_MS = 15000;
const UPDATED = "gangway:updated";

let failures = 0;
let timer = 0;

const fragment = () => document.querySelector("[data-live-url]");
const connection = () => document.getElementById("connection");
const signedOut = () => document.getElementById("signed-out");

function schedule(delay) {
  clearTimeout(timer);
  if (fragment() && !document.hidden) timer = setTimeout(poll, delay);
}

async function poll() {
  const live = fragment();
  if (!live) return;
  try {
    const response = await fetch(live.dataset.liveUrl, { cache: "no-store", redirect: "manual" });
    // Without a session the server redirects to the sign-in.
    if (response.type === "opaqueredirect") return showSignedOut();
    if (!response.ok) throw new Error(`answered ${response.status}`);
    const revision = await response.text();
    showConnected();
    if (revision !== live.dataset.liveRevision && !isInUse(live)) {
      document.body.dispatchEvent(new CustomEvent(UPDATED));
    }
  } catch {
    failures += 1;
    connection().hidden = failures < 2 || !signedOut().hidden;
  }
  schedule(Math.min(POLL_MS * 2 ** failures, LONGEST_POLL_MS));
}

function showConnected() {
  failures = 0;
  connection().hidden = signedOut().hidden = true;
}

// Polling continues: after a sign-in in another tab, the notice disappears.
function showSignedOut() {
  connection().hidden = true;
  signedOut().querySelector("a").search = new URLSearchParams({ next: location.pathname + location.search });
  signedOut().hidden = false;
  schedule(LONGEST_POLL_MS);
}

function isInUse(live) {
  const field = document.activeElement;
  const isField = field?.matches("input:not([type=hidden]), select, textarea");
  return Boolean(isField && live.contains(field)) || Boolean(live.querySelector("[data-menu][open]"));
}

document.addEventListener("visibilitychange", () => schedule(0));
addEventListener("online", () => schedule(0));
schedule(POLL_MS);
