// "Copy" beside a record's value.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const value = button.closest("[data-copyable]").querySelector("code").textContent.trim();
  const said = await copied(value);
  button.textContent = said ? "Copied" : "Press Ctrl+C";
  document.getElementById("announcer").textContent = said ? "Copied" : "Could not copy by itself";
  setTimeout(() => (button.textContent = "Copy"), 2500);
});

async function copied(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return false;
  }
}
