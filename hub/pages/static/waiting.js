// Waiting for a server: the Hub's event stream as words and steps. What the stream loses, the page itself is asked for:
// the Hub may be restarted, the network may be away for a night, the tab may sleep.
(() => {
  "use strict";

  const page = document.getElementById("waiting");
  if (!page) return;
  const data = JSON.parse(document.getElementById("jupyterhub-data").textContent);
  const words = document.getElementById("waiting-words");
  const bar = document.getElementById("waiting-bar");
  const expected = document.getElementById("waiting-expected");
  const buttons = [...page.querySelectorAll("[data-cancel]")];
  const steps = [...document.querySelectorAll("#waiting-steps > li")];
  const title = document.title;
  const [soonest, latest] = [2000, 30000];
  const silence = 10000; // the stream says something every three seconds (REPEAT_SECONDS of spawners/gateway.py)
  // The event's name of a step -> the step of the list that is under way.
  const underWay = {
    submitting: "submitted", submitted: "waiting", waiting: "waiting", configuring: "starting", starting: "starting",
    ended: "starting", ready: "ready",
  };

  let source = null;
  let wait = soonest;
  let lastEvent = Date.now();
  let timer = 0;
  let looking = false;
  let leaving = false;

  function say(text) {
    if (words.textContent !== text) words.textContent = text;
  }

  function reach(name) {
    const at = steps.findIndex((step) => step.dataset.step === name);
    if (at < 0 || steps[at].hasAttribute("aria-current")) return;
    const now = new Date();
    steps.forEach((step, index) => {
      step.toggleAttribute("data-todo", index > at);
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
      const time = step.querySelector("time");
      if (index > at) {
        time.removeAttribute("datetime");
        time.textContent = "";
      } else if (!time.dateTime && index === at) {
        time.dateTime = now.toISOString();
        time.dataset.show = "clock";
      }
    });
    document.dispatchEvent(new Event("atrium-replaced")); // theme.js shows times in the reader's zone
  }

  function expect(moment) {
    expected.hidden = !moment;
    if (moment) expected.querySelector("time").dateTime = moment;
    document.dispatchEvent(new Event("atrium-replaced"));
  }

  function take(event) {
    lastEvent = Date.now();
    wait = soonest;
    if (event.progress !== undefined) bar.value = event.progress;
    // The Hub's own first and last words are no sentences of ours, and not in the reader's language.
    if (event.state && event.message) say(event.message);
    if (event.state in underWay) reach(underWay[event.state]);
    expect(event.expected_start);
    document.title = event.place ? `(${event.place}) ${title}` : title;
    // Ready: the Hub leads on to the server. Failed: it says why, and how to go on.
    if (event.ready || event.failed) again();
  }

  function again() {
    leaving = true;
    source?.close();
    location.reload();
  }

  function open() {
    source?.close();
    lastEvent = Date.now();
    source = new EventSource(page.dataset.progressUrl);
    source.onmessage = (message) => take(JSON.parse(message.data));
    // Whether it would try again by itself depends on what went wrong; looking works whatever it was.
    source.onerror = () => {
      source.close();
      later();
    };
  }

  function later() {
    if (timer) return;
    timer = setTimeout(look, wait);
    wait = Math.min(wait * 1.5, latest);
  }

  // Is this still the page for what is going on? If so, listen again; if not, the Hub shows another one.
  async function look() {
    clearTimeout(timer);
    timer = 0;
    if (looking || leaving) return;
    looking = true;
    try {
      const response = await fetch(location.href, { redirect: "manual", signal: AbortSignal.timeout(10000) });
      // While the Hub does not answer, nginx shows a page in the same frame in its place.
      if (response.status === 503) throw new Error("status 503");
      const ours = response.type === "opaqueredirect" ? "" : await response.text();
      if (ours.includes('id="waiting"')) open();
      else if (response.type === "opaqueredirect" || ours.includes('class="frame-header"')) again();
      else throw new Error(`status ${response.status}`);
    } catch (error) {
      console.warn("The gateway did not answer:", error);
      say(page.dataset.away);
      later();
    } finally {
      looking = false;
    }
  }

  // Cancels, and goes on to the button's address once the Hub has confirmed it.
  async function cancel(button) {
    const words = button.textContent;
    for (const each of buttons) each.disabled = true;
    button.textContent = button.dataset.busy;
    say(button.dataset.busy);
    leaving = true;
    source?.close();
    try {
      const response = await fetch(page.dataset.stopUrl, {
        method: "DELETE",
        headers: { "X-XSRFToken": data.xsrf_token },
        signal: AbortSignal.timeout(60000),
      });
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).message || response.statusText);
      location.assign(button.dataset.cancel);
    } catch (error) {
      leaving = false;
      for (const each of buttons) each.disabled = false;
      button.textContent = words;
      say(`${page.dataset.notCancelled} ${error.message}`);
      later();
    }
  }

  for (const button of buttons) button.addEventListener("click", () => cancel(button));
  // A stream can hang without a word (the proxy keeps it open when the Hub behind it dies), and a tab that slept may have
  // lost it.
  setInterval(() => { if (!document.hidden && Date.now() - lastEvent > silence) look(); }, 2000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - lastEvent > soonest) look();
  });
  open();
})();
