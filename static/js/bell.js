// The bell of the top bar: its number changes with an event of the open stream, or by polling without
// one. Only texts change, so that no focus moves. A followed notification becomes read.

const POLL_MS = 30000;
const bell = document.querySelector("[data-bell]");
let isStreaming = false;
let timer = 0;

async function read() {
  const response = await fetch(bell.dataset.bell, { cache: "no-store", redirect: "manual" });
  if (response.ok) show(await response.json());
}

function show({ unread, label, revision }) {
  const badge = bell.querySelector("[data-bell-count]");
  const text = bell.querySelector("[data-bell-label]");
  const isMore = unread > 0 && revision !== bell.dataset.revision && text.textContent !== label;
  bell.dataset.revision = revision;
  text.textContent = label;
  badge.hidden = unread === 0;
  if (isMore) document.getElementById("announcer").textContent = `${label} unread notifications`;
}

// A failed request is repeated: the next event or poll reads the bell again.
const update = () => read().catch(() => undefined);

function poll() {
  clearTimeout(timer);
  if (isStreaming || document.hidden) return;
  timer = setTimeout(() => update().then(poll), POLL_MS);
}

// A request with keepalive outlives the page that the link leaves.
function markRead(link) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers"));
  fetch(link.dataset.read, { method: "POST", headers, keepalive: true, redirect: "manual" });
}

if (bell) {
  document.addEventListener("gangway:bell", (event) => {
    if (event.detail !== bell.dataset.revision) update();
  });
  document.addEventListener("gangway:stream", (event) => {
    isStreaming = event.detail;
    poll();
  });
  document.addEventListener("visibilitychange", poll);
  for (const type of ["click", "auxclick"]) {
    document.addEventListener(type, (event) => {
      const link = event.target.closest("a[data-read]");
      if (link && event.button < 2) markRead(link);
    });
  }
  poll();
}
