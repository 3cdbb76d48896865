// Keeps "4 min ago", and clocks that tick, true while a page stays open. Says what
// checks/templatetags/timestamps.py says.

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

function relativeText(moment) {
  const isPast = Date.now() >= moment;
  const seconds = Math.trunc(Math.abs(Date.now() - moment) / 1000);
  if (seconds >= 14 * DAY) return null;
  const text = formatDuration(seconds);
  if (isPast) return text ? `${text} ago` : "just now";
  return text ? `in ${text}` : "in a moment";
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-relative-time]")) {
    const at = Date.parse(element.dateTime);
    const isDue = element.dataset.relativeTime === "ahead" && at <= Date.now();
    const text = isDue ? "any moment now" : relativeText(at);
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
    const away = Math.abs(Date.now() - Date.parse(element.dateTime));
    element.textContent = formatTimer(Math.floor(away / 1000));
  }
}

setInterval(refresh, 15000);
setInterval(tick, 1000);
document.addEventListener("htmx:load", refresh);
