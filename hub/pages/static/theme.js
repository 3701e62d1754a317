// Small things every page needs: light or dark, the menu on a phone, times in the reader's zone. No framework.
// Loaded in the head, before the first paint, so that a dark page is never white first.
(() => {
  "use strict";

  const root = document.documentElement;
  const hubHost = document.currentScript.dataset.host;
  root.classList.add("js");

  // The Hub, the dashboards and each user have origins of their own: a cookie on the name they share carries the
  // choice (local storage would not). Anything but the two known values means "as the system".
  const shared = location.hostname.endsWith(`.${hubHost}`) || location.hostname === hubHost;
  const domain = shared && hubHost.includes(".") ? `; domain=${hubHost}` : "";

  function chosen() {
    const cookie = /(?:^|; )atrium-theme=(light|dark)/.exec(document.cookie);
    return cookie ? cookie[1] : "";
  }

  function paint(theme) {
    const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    root.dataset.bsTheme = dark ? "dark" : "light"; // JupyterHub's admin page is made with Bootstrap
  }

  function choose(theme) {
    const life = theme ? 365 * 24 * 3600 : 0;
    document.cookie = `atrium-theme=${theme}; path=/; max-age=${life}; samesite=lax${domain}`;
    paint(theme);
  }

  paint(chosen());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(chosen()));

  // -- times: <time datetime="…" data-show="clock | day | moment | ago | left">

  // As hub/formats.py writes them: English with the day before the month, and 24 hours.
  const lang = root.lang === "en" ? "en-GB" : navigator.languages.find((own) => own.startsWith(root.lang)) || root.lang;
  const words = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });

  function ago(date) {
    const minutes = (date - Date.now()) / 60000;
    if (Math.abs(minutes) < 1) return lang.startsWith("en") ? "just now" : words.format(0, "second");
    if (Math.abs(minutes) < 60) return words.format(Math.round(minutes), "minute");
    if (Math.abs(minutes) < 24 * 60) return words.format(Math.round(minutes / 60), "hour");
    return words.format(Math.round(minutes / 1440), "day");
  }

  function span(date) {
    const minutes = Math.max(0, Math.round((date - Date.now()) / 60000));
    return minutes < 60 ? `${minutes}\u202fmin` : `${Math.floor(minutes / 60)}\u202fh ${minutes % 60}\u202fmin`;
  }

  const shows = {
    clock: (date) => date.toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" }),
    day: (date) => date.toLocaleDateString(lang, { day: "numeric", month: "long", year: "numeric" }),
    moment: (date) => date.toLocaleString(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
    ago,
    left: span,
  };

  function showTimes() {
    for (const element of document.querySelectorAll("time[data-show]")) {
      const date = new Date(element.dateTime);
      if (Number.isNaN(date.valueOf())) continue;
      element.textContent = shows[element.dataset.show](date);
      element.title = date.toLocaleString(lang);
    }
  }

  // -- once the page is there

  function setUpColours() {
    const label = document.querySelector(".frame-colours");
    if (!label) return;
    const select = label.querySelector("select");
    label.hidden = false;
    select.value = chosen();
    select.addEventListener("change", () => choose(select.value));
  }

  function setUpMenu() {
    const button = document.querySelector(".frame-menu-button");
    const menu = document.getElementById("menu");
    if (!button || !menu) return;
    const show = (open) => {
      menu.classList.toggle("open", open);
      button.setAttribute("aria-expanded", String(open));
      (open ? menu.querySelector("a") : button).focus();
    };
    button.addEventListener("click", () => show(!menu.classList.contains("open")));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.classList.contains("open")) show(false);
    });
  }

  // A dashboard's page is rendered before its visitor is known. Its kernel tells them in an element
  // <… data-frame-person="…" data-frame-hours="…" data-frame-roles="…"> among its outputs; as text only, and once.
  function setUpIntroduction() {
    const main = document.querySelector("body[data-voila] > main");
    if (!main) return;
    const watcher = new MutationObserver(() => {
      const person = main.querySelector("[data-frame-person]");
      if (!person) return;
      watcher.disconnect();
      const hours = document.getElementById("frame-hours");
      document.getElementById("frame-person-name").textContent = person.dataset.framePerson;
      hours.textContent = person.dataset.frameHours || "";
      hours.parentElement.hidden = !hours.textContent;
      const roles = (person.dataset.frameRoles || "").split(" ");
      for (const entry of document.querySelectorAll(".frame-menu [data-role]")) {
        entry.hidden = !roles.includes(entry.dataset.role);
      }
    });
    watcher.observe(main, { childList: true, subtree: true });
  }

  function closePerson(event) {
    const person = document.querySelector(".frame-person[open]");
    if (!person || (event.type === "click" && person.contains(event.target))) return;
    if (event.type === "keydown" && event.key !== "Escape") return;
    person.open = false;
    if (event.type === "keydown") person.querySelector("summary").focus();
  }

  // <h1 data-morning="…" data-afternoon="…" data-evening="…">: only the reader's clock knows which.
  function greet() {
    const hour = new Date().getHours();
    const part = hour >= 5 && hour < 12 ? "morning" : hour >= 12 && hour < 18 ? "afternoon" : "evening";
    for (const element of document.querySelectorAll("[data-morning]")) element.textContent = element.dataset[part];
  }

  // What stands behind "#" in the address survives redirects but not a form: an invitation opened before signing in.
  function keepPlace() {
    if (!location.hash.startsWith("#/")) return;
    for (const form of document.querySelectorAll("form[method=post][data-busy]")) {
      form.action += location.hash;
    }
  }

  // <form data-busy="Signing in …">: say so at once, and take no second click.
  function setUpForms() {
    for (const form of document.querySelectorAll("form[data-busy]")) {
      form.addEventListener("submit", () => {
        const button = form.querySelector("[type=submit]");
        button.textContent = form.dataset.busy;
        setTimeout(() => { button.disabled = true; });
      });
    }
  }

  // <aside id="notice-7" data-dismissible>: once dismissed, gone on this device.
  function setUpDismissing() {
    for (const notice of document.querySelectorAll("[data-dismissible]")) {
      const key = `atrium-${notice.id}`;
      if (localStorage.getItem(key)) notice.remove();
      else notice.querySelector("button").addEventListener("click", () => {
        localStorage.setItem(key, "dismissed");
        notice.remove();
        document.getElementById("main").focus();
      });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    setUpColours();
    setUpMenu();
    setUpForms();
    keepPlace();
    setUpDismissing();
    setUpIntroduction();
    greet();
    showTimes();
    document.addEventListener("atrium-replaced", showTimes);
    setInterval(showTimes, 30000);
    for (const element of document.querySelectorAll("[data-insecure]")) element.hidden = window.isSecureContext;
    // For a report. The Hub shows some of its error pages at addresses that are not its own; and no query: it may
    // hold what only its owner should know.
    for (const element of document.querySelectorAll("[data-path]")) element.textContent = `· ${location.pathname}`;
  });
  document.addEventListener("click", closePerson);
  document.addEventListener("keydown", closePerson);
})();
