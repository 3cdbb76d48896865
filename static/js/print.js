// A button with data-print-page opens the print dialog, where a browser also saves a PDF. Without
// JavaScript the button remains hidden, and the menu of the browser prints the page.
const show = () => {
  for (const button of document.querySelectorAll("[data-print-page]")) button.hidden = false;
};

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print-page]")) window.print();
});
document.addEventListener("htmx:load", show);
show();
