// Keeps "4 min ago", and clocks that tick, true while a page stays open. Says what
// checks/templatetags/moments.py says.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function span(seconds) {
  if (seconds < 45) return "";
  if (seconds < HOUR) return `${Math.max(1, Math.round(seconds / MINUTE))} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  const days = Math.floor(seconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

function words(moment) {
  const isPast = Date.now() >= moment;
  const seconds = Math.trunc(Math.abs(Date.now() - moment) / 1000);
  if (seconds >= 14 * DAY) return null;
  const said = span(seconds);
  if (isPast) return said ? `${said} ago` : "just now";
  return said ? `in ${said}` : "in a moment";
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-moment]")) {
    const at = Date.parse(element.dateTime);
    const isDue = element.dataset.moment === "ahead" && at <= Date.now();
    const said = isDue ? "any moment now" : words(at);
    if (said && said !== element.textContent) element.textContent = said;
  }
}

function face(seconds) {
  const days = Math.floor(seconds / DAY);
  const parts = [Math.floor((seconds % DAY) / HOUR), Math.floor((seconds % HOUR) / MINUTE), seconds % MINUTE];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return days ? `${days} ${days === 1 ? "day" : "days"} ${clock}` : clock;
}

function tick() {
  for (const element of document.querySelectorAll("time[data-ticking]")) {
    const away = Math.abs(Date.now() - Date.parse(element.dateTime));
    element.textContent = face(Math.floor(away / 1000));
  }
}

setInterval(refresh, 15000);
setInterval(tick, 1000);
document.addEventListener("htmx:load", refresh);
