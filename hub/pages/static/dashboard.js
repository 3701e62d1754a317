// What a dashboard needs beside its widgets: links within the page, words tied to their fields, focus that follows.
// Loaded by the Voila template. Widgets come and go, so everything is done again when the page changes.
(() => {
  "use strict";

  const main = document.getElementById("main");

  // -- what stands behind "#/" goes to the kernel, through the text field of widgets.base.Address, and out of the
  // address: an invitation's code is not kept in the history, and the same link works twice.
  let address = "";

  function readPlace() {
    if (!location.hash.startsWith("#/")) return;
    address = decodeURI(location.hash.slice(2));
    history.replaceState(null, "", location.pathname + location.search);
    sendPlace();
  }

  const place = () => main.querySelector(".page-address input");

  function tell(text) {
    const field = place();
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function sendPlace() {
    if (!address || !place()) return;
    tell(address);
    address = "";
  }

  // -- a page that knows no visitor yet asks whether there is something to show, and if so has missed it (see
  // base.Address); one that does not come up at all, or shows a widget that cannot be drawn, is loaded again by itself,
  // twice at most. Each question keeps the kernel from being idle, so there is an end to them: when the page
  // shows something, be it an error, and after some minutes.
  const LOOK_MS = 3000;
  const LATE_MS = 25000;
  const LAST_MS = 180000;
  const MOST_RELOADS = 2;
  const LOST = "Error displaying widget"; // in the words of the widget manager

  const isBroken = () =>
    main.textContent.includes(LOST) || Boolean(main.querySelector(".jupyter-widgets-error-widget"));

  const isMissing = () => (place() ? place().value === "again" : performance.now() > LATE_MS);

  /** Whether the page is being loaded again. */
  function loadAgain() {
    const reloads = Number(sessionStorage.getItem("atrium-again"));
    if (reloads >= MOST_RELOADS) return false;
    sessionStorage.setItem("atrium-again", String(reloads + 1));
    if (address) history.replaceState(null, "", `#/${encodeURI(address)}`); // a link that nothing has followed yet
    location.reload();
    return true;
  }

  function look() {
    if (isBroken() && loadAgain()) return;
    if (main.querySelector("[data-frame-person], #dashboard .notice") || performance.now() > LAST_MS) {
      clearInterval(looking);
      return;
    }
    if (place() && place().value !== "again") tell("waiting");
    if (isMissing()) loadAgain();
  }

  // dashboard_kernel.js asks for it, and says that the page has ended where it is not done.
  document.addEventListener("atrium-not-drawn", (event) => { if (loadAgain()) event.preventDefault(); });

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
    const all = [...main.querySelectorAll(".field-error")].map((message) => message.textContent).join("|");
    if (first && all !== complained && main.querySelector('.notice.bad[role="alert"]')) first.focus();
    complained = all;
  }

  function settle() {
    sendPlace();
    if (main.querySelector("[data-frame-person]") && !isBroken()) sessionStorage.removeItem("atrium-again");
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
  const looking = setInterval(look, LOOK_MS);
  window.addEventListener("hashchange", readPlace);
  readPlace();
})();
