// Pages of a person's own notebooks (widgets/ownserver/local_files.py): says how much a page can send to its kernel, and
// refuses more before it is sent. The server would close the page's connection, and the page would go on without it.
(() => {
  "use strict";

  const mostMb = Number(document.currentScript.dataset.mostMb);
  const inMb = (bytes) => Math.ceil(bytes / 1e6);

  // ipywidgets' button and its input, which is no part of the page: the input is known when its button has clicked it.
  let pressed = null;
  const watched = new WeakSet();
  const click = HTMLInputElement.prototype.click;

  function note(button, kind, text) {
    const line = document.createElement("p");
    line.dataset.upload = kind;
    line.textContent = text;
    button.after(line);
    return line;
  }

  function refuse(button, sentence) {
    for (const line of button.parentElement.querySelectorAll("[data-upload=refusal]")) line.remove();
    if (sentence) note(button, "refusal", sentence).setAttribute("role", "alert");
  }

  function check(event, button) {
    const files = [...event.target.files];
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const tooMuch = bytes > mostMb * 1e6;
    const names = files.map((file) => `“${file.name}”`).join(", ");
    const sentence = `Not sent: ${names} (${inMb(bytes)} MB). This page sends up to ${mostMb} MB at once. Upload larger ` +
      "files in JupyterLab's file browser, and read them from your home directory.";
    if (button) refuse(button, tooMuch ? sentence : "");
    if (!tooMuch) return;
    event.stopImmediatePropagation();
    event.target.value = "";
  }

  HTMLInputElement.prototype.click = function () {
    if (this.type === "file" && !watched.has(this)) {
      watched.add(this);
      const button = pressed;
      this.addEventListener("change", (event) => check(event, button), { capture: true });
    }
    return click.call(this);
  };

  document.addEventListener("click", (event) => { pressed = event.target.closest?.(".widget-upload"); }, true);

  // Says the limit beside each upload button, whenever one appears.
  function showLimits() {
    for (const button of document.querySelectorAll(".widget-upload:not([data-limit-shown])")) {
      button.dataset.limitShown = "";
      note(button, "limit", `Up to ${mostMb} MB at once`);
    }
  }
  new MutationObserver(showLimits).observe(document.documentElement, { childList: true, subtree: true });
})();
