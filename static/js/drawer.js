// After the choice of a check, moves to its evidence if that is below the window.

document.addEventListener("htmx:afterSettle", (event) => {
  if (!event.detail.requestConfig?.elt?.matches?.("a.cell")) return;
  const drawer = document.getElementById("evidence");
  if (!drawer || drawer.getBoundingClientRect().top < innerHeight / 2) return;
  drawer.focus({ preventScroll: true });
  drawer.scrollIntoView({ block: "start" });
});
