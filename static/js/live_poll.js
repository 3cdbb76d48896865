// Polls the revision of an open page while it has no stream. The interval grows while nothing changes,
// and starts again after a change and after an action of the user. A hidden page does not poll.

const SHORTEST_MS = 1000;
const LONGEST_MS = 30000;
const LONGEST_FAILED_MS = 15000;
const GROWTH = 1.5;
// A stream opens sooner than this.
const START_MS = 1000;

let delay = SHORTEST_MS;
let failures = 0;
let timer = 0;
let isStreaming = false;

const fragment = () => document.querySelector("[data-live-url]");
const connection = () => document.getElementById("connection");
const signedOut = () => document.getElementById("signed-out");

function schedule(milliseconds) {
  clearTimeout(timer);
  if (fragment() && !document.hidden && !isStreaming) timer = setTimeout(poll, milliseconds);
}

async function poll() {
  const live = fragment();
  if (!live) return;
  try {
    const response = await fetch(live.dataset.liveUrl, { cache: "no-store", redirect: "manual" });
    // Without a session the server redirects to the sign-in.
    if (response.type === "opaqueredirect") return showSignedOut();
    if (!response.ok) throw new Error(`answered ${response.status}`);
    report(live, await response.text());
  } catch {
    failures += 1;
    connection().hidden = failures < 2 || !signedOut().hidden;
    schedule(Math.min(SHORTEST_MS * 2 ** failures, LONGEST_FAILED_MS));
  }
}

function report(live, revision) {
  showConnected();
  const isNew = revision !== live.dataset.liveRevision;
  delay = isNew ? SHORTEST_MS : Math.min(delay * GROWTH, LONGEST_MS);
  if (isNew) document.dispatchEvent(new CustomEvent("gangway:revision", { detail: revision }));
  schedule(delay);
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
  schedule(LONGEST_FAILED_MS);
}

function pollSoon() {
  delay = SHORTEST_MS;
  schedule(0);
}

document.addEventListener("gangway:stream", (event) => {
  isStreaming = event.detail;
  clearTimeout(timer);
  if (isStreaming) showConnected();
  else pollSoon();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.requestConfig?.verb !== "get") pollSoon();
});
document.addEventListener("visibilitychange", pollSoon);
addEventListener("online", pollSoon);
addEventListener("offline", pollSoon);
schedule(START_MS);
