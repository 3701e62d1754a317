// What JupyterHub's admin page expects in its window.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("admin-data").textContent);
  window.api_page_limit = data.api_page_limit;
  window.base_url = data.base_url;

  // Its buttons that unfold a row have no name of their own.
  const page = document.getElementById("react-admin-hook");
  new MutationObserver(() => {
    for (const button of page.querySelectorAll("button[aria-controls$='-collapse']:not([aria-label])")) {
      const row = button.getAttribute("aria-controls").replace(/-collapse$/, "");
      button.setAttribute("aria-label", page.dataset.unfold.replace("{}", row));
    }
  }).observe(page, { childList: true, subtree: true });
})();
