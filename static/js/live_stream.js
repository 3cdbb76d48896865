// Opens the stream of an open page, and reports each revision that arrives. While no stream is open,
// live_poll.js polls. A hidden page closes its stream: browsers allow only a few of them.

const HIDDEN_MS = 60000;
// The process sends a beat every 45 s. Without any, the connection is lost unnoticed.
const SILENT_MS = 100000;
// After a refusal, or an answer that is no stream.
const REFUSED_MS = [20000, 40000];

let source = null;
let address = "";
let isOpen = false;
let hidden = 0;
let silent = 0;
let refused = 0;

const between = ([least, most]) => least + Math.random() * (most - least);

function wanted() {
  // A page without changes of a tenant has a stream for its bell.
  const url = document.querySelector("[data-live-url]")?.dataset.liveUrl ?? document.body.dataset.ownLiveUrl;
  const port = document.body.dataset.livePort;
  if (!url || port === undefined) return "";
  return `${port ? `${location.protocol}//${location.hostname}:${port}` : ""}/live${url}`;
}

function setOpen(value) {
  if (value === isOpen) return;
  isOpen = value;
  document.dispatchEvent(new CustomEvent("gangway:stream", { detail: value }));
}

function close() {
  clearTimeout(silent);
  clearTimeout(refused);
  source?.close();
  source = null;
  setOpen(false);
}

function open() {
  close();
  address = wanted();
  if (!address || document.hidden) return;
  const opened = new EventSource(address, { withCredentials: true });
  source = opened;
  opened.onopen = () => hear(opened);
  opened.onmessage = (event) => {
    hear(opened);
    document.dispatchEvent(new CustomEvent("gangway:revision", { detail: event.data }));
  };
  opened.addEventListener("bell", (event) => {
    hear(opened);
    document.dispatchEvent(new CustomEvent("gangway:bell", { detail: event.data }));
  });
  opened.addEventListener("beat", () => hear(opened));
  opened.addEventListener("end", openLater);
  opened.onerror = () => {
    if (source !== opened) return;
    // The browser connects again after a lost connection, but not after a refusal.
    if (opened.readyState === EventSource.CLOSED) openLater();
    else setOpen(false);
  };
}

function hear(opened) {
  if (source !== opened) return;
  setOpen(true);
  clearTimeout(silent);
  silent = setTimeout(open, SILENT_MS);
}

function openLater() {
  close();
  refused = setTimeout(open, between(REFUSED_MS));
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(close, HIDDEN_MS);
  else if (!source) open();
});
addEventListener("online", open);
addEventListener("offline", close);
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && open());
// An update can change the refresh interval, which is part of the address.
document.addEventListener("gangway:settled", () => wanted() !== address && open());
open();
