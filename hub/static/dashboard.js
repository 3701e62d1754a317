// What a dashboard needs beside its widgets: links within the page, words tied to their fields, focus that follows.
// Loaded by the Voila template. Widgets come and go, so everything is done again when the page changes.
(() => {
  "use strict";

  const main = document.getElementById("main");

  // -- what stands behind "#/" goes to the kernel, through the text field of widgets.base.Address, and out of the
  // address: an invitation's code is not kept in the history, and the same link works twice.
  let wanted = "";

  function readPlace() {
    if (!location.hash.startsWith("#/")) return;
    wanted = decodeURI(location.hash.slice(2));
    history.replaceState(null, "", location.pathname + location.search);
    sendPlace();
  }

  function sendPlace() {
    const field = wanted && main.querySelector(".page-address input");
    if (!field) return;
    field.value = wanted;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    wanted = "";
  }

  // -- a hint and a complaint belong to their control
  let numbers = 0;

  function tie(field) {
    const control = field.querySelector("input, select, textarea");
    if (!control) return;
    const words = [...field.querySelectorAll(".field-error, .hint")];
    for (const word of words) word.id ||= `word-${++numbers}`;
    const described = words.map((word) => word.id).join(" ");
    if ((control.getAttribute("aria-describedby") || "") !== described) {
      if (described) control.setAttribute("aria-describedby", described);
      else control.removeAttribute("aria-describedby");
    }
    const invalid = String(words.some((word) => word.classList.contains("field-error")));
    if (control.getAttribute("aria-invalid") !== invalid) control.setAttribute("aria-invalid", invalid);
  }

  // -- <h2 data-arrived="…" tabindex="-1">: the heading of a step; focus goes to it when another step is shown
  let arrived = null;

  function follow() {
    const heading = main.querySelector("[data-arrived]");
    if (!heading || heading.dataset.arrived === arrived) return;
    if (arrived !== null) {
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: "start" });
    }
    arrived = heading.dataset.arrived;
  }

  // -- after a try that failed, on to the first field that is wrong
  let complained = "";

  function show() {
    const first = main.querySelector(".field:has(.field-error) :is(input, select, textarea)");
    const all = [...main.querySelectorAll(".field-error")].map((one) => one.textContent).join("|");
    if (first && all !== complained && main.querySelector('.notice.bad[role="alert"]')) first.focus();
    complained = all;
  }

  function settle() {
    sendPlace();
    for (const field of main.querySelectorAll(".field")) tie(field);
    follow();
    show();
    // theme.js tells times in the reader's zone, and gives those it has told a title.
    if (main.querySelector("time[data-show]:not([title])")) document.dispatchEvent(new Event("atrium-replaced"));
  }

  let planned = 0;
  new MutationObserver(() => {
    planned ||= requestAnimationFrame(() => {
      planned = 0;
      settle();
    });
  }).observe(main, { childList: true, subtree: true });
  window.addEventListener("hashchange", readPlace);
  readPlace();
})();
