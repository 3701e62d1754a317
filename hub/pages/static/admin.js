// What JupyterHub's admin page expects in its window, and what its markup lacks for keyboards and screen readers.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("admin-data").textContent);
  window.api_page_limit = data.api_page_limit;
  window.base_url = data.base_url;

  const page = document.getElementById("react-admin-hook");
  const each = (selector, change) => page.querySelectorAll(selector).forEach(change);
  const unfolds = "-collapse-button";

  const headOf = (cell) => cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent.trim();

  function mend() {
    // The buttons that unfold a row have no name, and point at nothing.
    each(`button[data-testid$='${unfolds}']:not([aria-label])`, (button) => {
      const name = button.dataset.testid.slice(0, -unfolds.length);
      button.setAttribute("aria-label", page.dataset.unfold.replace("{}", name));
      button.setAttribute("aria-controls", `${name}-card-group`);
    });
    each("a > button:not([tabindex])", (button) => { button.tabIndex = -1; }); // the link around it is enough
    each("#admin-check ~ label:not([for])", (label) => { label.htmlFor = "admin-check"; });
    each(".properties-table input:not([aria-label])", (input) => {
      input.setAttribute("aria-label", headOf(input.closest("td")));
    });
    each(":is(h1, h4, .h5):not([aria-level])", (heading) => { // the page has its h1 already
      heading.setAttribute("role", "heading");
      heading.setAttribute("aria-level", "2");
    });
    each(".user-row > td:not([data-label])", (cell) => { cell.dataset.label = headOf(cell); });
  }
  new MutationObserver(mend).observe(page, { childList: true, subtree: true });
})();
