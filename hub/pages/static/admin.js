// What JupyterHub's admin page expects in its window, what its markup lacks for keyboards and screen readers, and a
// question before a button ends or deletes something of other people.
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

  // In this order: the button of a row that runs stops it, of one that does not run deletes it.
  const QUESTIONS = [
    [".stop-all", "stop_all"],
    [".user-row:not(:has(.start-button)) .stop-button", "stop"],
    [".stop-button", "remove"],
    ["#delete-user", "delete_user"],
    ["#delete-group", "delete_group"],
    ["#shutdown-button", "shut_down"],
  ];
  const dialog = document.getElementById("admin-question");
  const confirm = dialog.querySelector("[data-confirm]");
  let asking = null; // the button that was pressed
  let confirmed = false;

  const nameOf = (row) => [...row.cells].slice(0, 2).map((cell) => cell.textContent.trim()).filter(Boolean).join(" / ");

  function peopleWithNotebooks() {
    const active = page.querySelectorAll(".user-row:is(:not(:has(.start-button)), :has(.start-button:disabled))");
    return [...new Set([...active].map((row) => row.cells[0].textContent.trim()))];
  }

  function ask(button, key) {
    const question = data.questions[key];
    const row = button.closest(".user-row");
    const people = key === "stop_all" ? peopleWithNotebooks() : [];
    const text = key === "stop_all" && !people.length ? question.nobody : question.text;
    dialog.querySelector("h2").textContent = question.title.replace("{}", row ? nameOf(row) : "");
    dialog.querySelector("p").textContent = text.replace("{}", people.join(", "));
    confirm.textContent = question.confirm;
    asking = button;
    dialog.showModal();
  }

  // React listens below the document, so this comes first.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#react-admin-hook button");
    const [, key] = (button && QUESTIONS.find(([selector]) => button.matches(selector))) ?? [];
    if (!key || confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(button, key);
  }, { capture: true });
  confirm.addEventListener("click", () => {
    dialog.close();
    confirmed = true;
    asking.click();
    confirmed = false;
  });
})();
