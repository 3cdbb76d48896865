// The "Copy" button of a value.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const value = button.closest("[data-copyable]").querySelector("code").textContent.trim();
  const wasCopied = await copyToClipboard(value);
  button.textContent = wasCopied ? "Copied" : "Press Ctrl+C";
  document.getElementById("announcer").textContent = wasCopied ? "Copied" : "Not copied. Press Ctrl+C.";
  setTimeout(() => (button.textContent = "Copy"), 2500);
});

async function copyToClipboard(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    return false;
  }
}
