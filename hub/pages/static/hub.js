// The Hub's pages beside JupyterHub's own modules (jhapi, token, not_running): what those expect to find, starting
// and stopping servers. Waiting for one is waiting.js.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("jupyterhub-data").textContent);

  window.jhdata = data;
  window.require.config({
    baseUrl: data.scripts_url,
    urlArgs: data.version_hash ? `v=${data.version_hash}` : "",
    paths: {
      components: "../components",
      jquery: "../components/jquery/dist/jquery.min",
      moment: "../components/moment/moment",
    },
  });

  // JupyterHub's modules report failed requests in a Bootstrap modal; the browser's own dialog does the same.
  window.bootstrap = {
    Modal: class {
      constructor(dialog) { this.dialog = dialog; }
      show() { this.dialog.showModal(); }
    },
  };

  function stop(api, server, done) {
    const options = { success: done };
    if (server) api.stop_named_server(data.user, server, options);
    else api.stop_server(data.user, options);
  }

  // -- landing: stop (asks first), a second notebook, following what is on its way. Its parts are replaced as servers
  //    come and go, so the page listens in their place.

  function setUpStopping(api) {
    const dialog = document.getElementById("stop-dialog");
    if (!dialog) return;
    const confirm = dialog.querySelector("[data-confirm]");
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-stop]");
      if (!button) return;
      confirm.dataset.server = button.dataset.stop;
      dialog.querySelector("[data-name]").textContent = button.dataset.name;
      dialog.showModal();
    });
    confirm.addEventListener("click", () => {
      confirm.disabled = true;
      confirm.textContent = confirm.dataset.busy;
      stop(api, confirm.dataset.server, () => location.reload());
    });
  }

  function setUpAnother(utils) {
    document.addEventListener("submit", (event) => {
      if (event.target.id !== "another") return;
      event.preventDefault();
      const name = utils.sanitise_display_name(event.target.elements.name.value);
      const query = new URLSearchParams({ display_name: name });
      location.assign(`${data.base_url}spawn/${data.user}/${utils.safe_slug(name)}?${query}`);
    });
  }

  const states = (page) => [...page.querySelectorAll("[data-state]")].map((server) => server.dataset.state).join();

  function statesAsText() {
    const words = [...document.querySelectorAll("[data-state] > p:first-child")].map((line) => line.textContent);
    return words.join(". ").replace(/\s+/g, " ").trim();
  }

  function replaceLive(fresh) {
    const focused = document.activeElement.closest("[data-live]");
    for (const old of document.querySelectorAll("[data-live]")) old.replaceWith(fresh.getElementById(old.id));
    if (focused) document.getElementById("running").focus();
    document.dispatchEvent(new Event("atrium-replaced"));
  }

  // Asks for the page again while a server starts, stops or is paused: soon at first, then less often, never while hidden.
  function followServers() {
    const pending = () => document.querySelector("[data-pending]");
    if (!pending()) return;
    const announcement = document.getElementById("servers-announcement");
    const [soon, seldom] = [3000, 30000];
    let wait = soon;

    async function look() {
      if (document.hidden) {
        document.addEventListener("visibilitychange", look, { once: true });
        return;
      }
      try {
        const response = await fetch(`${data.base_url}home`, {
          headers: { "X-XSRFToken": data.xsrf_token },
          signal: AbortSignal.timeout(10000),
        });
        if (response.redirected) return; // signed out meanwhile
        const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
        if (response.ok && states(fresh) !== states(document)) {
          replaceLive(fresh);
          announcement.textContent = statesAsText() || announcement.dataset.none;
          wait = soon;
        }
      } catch (error) {
        console.warn("The servers' state could not be read:", error);
      }
      if (pending()) setTimeout(look, wait);
      wait = Math.min(wait * 1.3, seldom);
    }
    setTimeout(look, wait);
  }

  function setUpReload() {
    const page = document.querySelector("[data-reload-seconds]");
    if (page) setTimeout(() => location.reload(), 1000 * page.dataset.reloadSeconds);
    const again = document.querySelector("form[data-submit-seconds]");
    if (again) setTimeout(() => again.requestSubmit(), 1000 * again.dataset.submitSeconds);
    const onward = document.querySelector("[data-onward-seconds]");
    if (onward) setTimeout(() => location.assign(onward.href), 1000 * onward.dataset.onwardSeconds);
  }

  window.require(["jhapi", "utils"], (JHAPI, utils) => {
    const api = new JHAPI(data.base_url);
    setUpStopping(api);
    setUpAnother(utils);
    followServers();
    setUpReload();
    if (data.page) window.require([data.page]); // JupyterHub's own script of this page
  });
})();
