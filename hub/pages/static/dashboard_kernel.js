// A dashboard and its kernel: tells the service once the page has its widgets, says when the kernel has ended or does
// not answer, and has a page that cannot show its widgets loaded again. Loaded by the Voila template, before Voila.
(() => {
  "use strict";

  const TICK_MS = 500;
  const ASK_AFTER = 3; // ticks without a message, until the kernel is asked for one
  const SILENT = 5; // ticks without an answer
  const AWAY = 3; // ticks without a connection
  const STALLED = 6; // ticks without a message, before the page has its widgets
  const LEAVING = 10; // ticks that the next page may take: Voila ends this page's kernel before
  const DEADLINE_MS = 2000;
  const INTRODUCTION_MS = 10000;

  const AWAY_WORDS = "This page gets no answer at the moment. It tries again by itself. What you typed stays here.";
  const ENDED = "This page has ended.";

  const main = document.getElementById("main");
  const notice = document.getElementById("dashboard-ended");
  const locked = new Set(); // what this script has locked
  let kernel = null;
  let hasWidgets = false;
  let hasEnded = false;
  let isIntroduced = !main.hasAttribute("data-introduce"); // on a person's own server the kernel knows its person
  let isAsked = false;
  let isBusy = false; // a request of this script is under way
  let quiet = 0; // ticks since the last message from the kernel
  let unanswered = 0;
  let away = 0;
  let leaving = 0;

  // -- requests to the service

  const kernelUrl = () => `${kernel.serverSettings.baseUrl}api/kernels/${kernel.id}`;

  async function ask(url, deadline, options) {
    isBusy = true;
    try {
      const headers = { "X-XSRFToken": xsrfToken() };
      return await fetch(url, { cache: "no-store", headers, signal: AbortSignal.timeout(deadline), ...options });
    } catch {
      return null; // the service or the network is down
    } finally {
      isBusy = false;
    }
  }

  /** The kernel learns who the visitor is, and then changes its widgets: not before the page can follow. */
  async function introduce() {
    const response = await ask(`${kernelUrl()}/shown`, INTRODUCTION_MS, { method: "POST" });
    isIntroduced = Boolean(response?.ok);
  }

  async function check() {
    const response = await ask(kernelUrl(), DEADLINE_MS, {});
    const isService = response?.headers.get("Content-Type")?.startsWith("application/json");
    if (response?.status === 404 && isService) hasEnded = true;
  }

  /** End the kernel, as Voila does once its program runs: a page that is left sooner would hold it for a minute. */
  function sendFarewell() {
    const { baseUrl, kernelId } = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
    if (!kernelId) return;
    const form = new FormData();
    form.append("_xsrf", xsrfToken());
    navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`, form);
  }

  // -- what the page says

  const TYPED = "#dashboard :is(textarea, input:not([type=checkbox], [type=button], [type=submit]))";

  /** Text fields of the page, without those that only the page's scripts use. */
  const textFields = () => [...main.querySelectorAll(TYPED)].filter((field) => !field.closest(".page-address"));

  function endedWords() {
    if (main.dataset.typedKept === "yes") return `${ENDED} Load it again: what you typed is kept.`;
    if (textFields().some((field) => field.value)) return `${ENDED} Copy what you typed, then load it again.`;
    return `${ENDED} Load it again.`;
  }

  /** Texts stay selectable; what would need the kernel is locked. */
  function lock(selector) {
    for (const control of main.querySelectorAll(selector)) {
      if (control.disabled) continue;
      control.disabled = true;
      locked.add(control);
    }
  }

  function unlock() {
    for (const control of locked) control.disabled = false;
    locked.clear();
  }

  function show(words) {
    if (notice.hidden === !words && notice.querySelector("p").textContent === words) return;
    notice.querySelector("p").textContent = words;
    notice.querySelector("button").hidden = !hasEnded;
    notice.hidden = !words;
  }

  function showEnd() {
    lock("#dashboard :is(button, select, input:is([type=checkbox], [type=button], [type=submit]))");
    for (const field of textFields()) field.readOnly = true;
    if (!notice.querySelector("p").textContent.startsWith(ENDED)) show(endedWords());
  }

  function showConnection() {
    const isAway = hasWidgets && (away >= AWAY || unanswered >= SILENT);
    if (isAway) lock("#dashboard button");
    else if (locked.size) unlock();
    show(isAway ? AWAY_WORDS : "");
  }

  /** dashboard.js loads a page again that cannot show its widgets, a few times at most. */
  function loadsAgain() {
    const loads = !document.dispatchEvent(new Event("atrium-not-drawn", { cancelable: true }));
    if (loads) leaving = LEAVING;
    return loads;
  }

  // -- the kernel

  function listen() {
    quiet += 1;
    if (!hasWidgets) return;
    if (isAsked) {
      unanswered += 1;
    } else if (quiet >= ASK_AFTER && !document.hidden) {
      isAsked = true;
      kernel.requestKernelInfo().catch(() => {}); // the connection is closed: seen at the next tick
    }
  }

  function hear() {
    quiet = 0;
    unanswered = 0;
    isAsked = false;
  }

  function look() {
    hasEnded ||= kernel.isDisposed || kernel.status === "dead";
    if (hasEnded) {
      if (hasWidgets || !loadsAgain()) showEnd();
      return;
    }
    if (kernel.connectionStatus === "connected") {
      away = 0;
      listen();
    } else {
      away += 1;
      hear(); // no answer is due over a connection that is closed
      if (away >= AWAY && !isBusy) void check();
    }
    if (!hasWidgets && quiet >= STALLED) loadsAgain();
    if (hasWidgets && !isIntroduced && !isBusy) void introduce();
    showConnection();
  }

  function tick() {
    if (leaving) leaving -= 1;
    else look();
  }

  function attach(manager) {
    if (!manager) { // its kernel was gone before the page was here
      if (!loadsAgain()) show(endedWords());
      return;
    }
    kernel = manager.kernel;
    kernel.anyMessage.connect((_, message) => { if (message.direction === "recv") hear(); });
    const begin = () => {
      if (hasWidgets) return;
      hasWidgets = true;
      if (!isIntroduced) void introduce();
    };
    manager.restored.connect(begin);
    if (manager.restoredStatus) begin();
    setInterval(tick, TICK_MS);
  }

  // Voila's program sets this once, when it runs.
  Object.defineProperty(window, "jupyterapp", {
    configurable: true,
    set(app) {
      Object.defineProperty(window, "jupyterapp", { value: app, configurable: true, writable: true });
      attach(app.widgetManager);
    },
  });

  notice.querySelector("button").addEventListener("click", () => location.reload());
  window.addEventListener("beforeunload", () => { leaving = LEAVING; });
  window.addEventListener("pagehide", () => { if (!kernel) sendFarewell(); });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && (!kernel || kernel.isDisposed)) location.reload(); // from the browser's memory, without a kernel
  });
})();
