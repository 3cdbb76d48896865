// Updates relative times ("4 min ago") and timers on an open page. The texts must equal those of
// checks/templatetags/timestamps.py.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function formatDuration(seconds) {
  if (seconds < 45) return "";
  if (seconds < HOUR) return `${Math.max(1, Math.round(seconds / MINUTE))} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  const days = Math.floor(seconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

function relativeText(at) {
  const isPast = Date.now() >= at;
  const seconds = Math.round(Math.abs(Date.now() - at) / 1000);
  if (seconds >= 14 * DAY) return null;
  const text = formatDuration(seconds);
  if (isPast) return text ? `${text} ago` : "just now";
  return text ? `in ${text}` : `in ${seconds} s`;
}

function durationText(at) {
  return formatDuration(Math.trunc((Date.now() - at) / 1000)) || "less than a minute";
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-relative-time]")) {
    const at = Date.parse(element.dateTime);
    const kind = element.dataset.relativeTime;
    const isDue = kind === "ahead" && at <= Date.now();
    const text = isDue ? "due now" : kind === "since" ? durationText(at) : relativeText(at);
    if (text && text !== element.textContent) element.textContent = text;
  }
}

function formatTimer(seconds) {
  const days = Math.floor(seconds / DAY);
  const parts = [Math.floor((seconds % DAY) / HOUR), Math.floor((seconds % HOUR) / MINUTE), seconds % MINUTE];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return days ? `${days} ${days === 1 ? "day" : "days"} ${clock}` : clock;
}

function tick() {
  for (const element of document.querySelectorAll("time[data-timer]")) {
    const distance = Math.abs(Date.now() - Date.parse(element.dateTime));
    element.textContent = formatTimer(Math.floor(distance / 1000));
  }
}

// Every 5 s, because times under 45 s ahead are shown in seconds.
setInterval(refresh, 5000);
setInterval(tick, 1000);
document.addEventListener("htmx:load", refresh);
