// The spawn page: a size fills the fields in, what cannot be had together disappears as the person chooses, and before the
// start it says when it would start, what it takes, and what would start sooner. The page works without any of it.
(() => {
  "use strict";

  const LOOK = 30_000; // ms between two looks for new projects
  const form = document.getElementById("spawn_form");
  const source = document.getElementById("spawn-data");
  if (!form || !source) return;
  const data = JSON.parse(source.textContent);
  const forecast = document.querySelector(".forecast");
  const field = (name) => form.elements.namedItem(name);
  const value = (name) => field(name)?.value ?? "";

  // -- narrowing

  function places() {
    return data.projects[value("account")]?.places ?? [];
  }

  function place() {
    const qos = value("qos") || data.projects[value("account")]?.default_qos;
    return places().find((slot) => slot.partition === value("partition") && slot.qos === (qos ?? ""));
  }

  // Options that cannot be had are taken out; when the chosen option is among them, the first that can be had is chosen.
  function offer(name, allowed) {
    const select = field(name);
    if (!select || !select.options) return;
    for (const option of select.options) option.hidden = option.disabled = !allowed(option.value);
    const chosen = select.selectedOptions[0];
    if (chosen && chosen.disabled) {
      const other = [...select.options].find((option) => !option.disabled);
      if (other) select.value = other.value;
    }
  }

  function bound(name, most) {
    const input = field(name);
    if (!input || most === undefined) return;
    if (most === null) input.removeAttribute("max");
    else input.max = most;
    const limit = document.querySelector(`[data-field="${name}"] [data-bound]`);
    if (limit) limit.textContent = most === null ? "" : data.words.upTo.replace("{n}", most);
  }

  function show(name, visible) {
    const whole = document.querySelector(`[data-field="${name}"]`);
    if (whole) whole.hidden = !visible;
  }

  function narrowSizes() {
    for (const radio of form.querySelectorAll('[name="profile"]:not([value=""])')) {
      const size = data.profiles[radio.value];
      const partition = size.partition || (size.gpus ? data.partitions.gpu : data.partitions.cpu);
      const named = places().filter((slot) => slot.partition === partition);
      const room = (named.length ? named : places()).some((slot) => fits(size, slot));
      radio.disabled = !room;
      radio.closest(".size").hidden = !room;
    }
  }

  function fits(size, slot) {
    const most = size.gpu_type ? slot.gpu_types[size.gpu_type] ?? 0 : slot.gpus;
    const within = (name) => slot[name] === null || size[name] <= slot[name];
    return within("cpus") && within("memory_gb") && (size.gpus ?? 0) <= most;
  }

  function narrow() {
    if (!data.projects[value("account")]) return;
    const here = places();
    narrowSizes();
    offer("partition", (name) => here.some((slot) => slot.partition === name));
    const inPartition = here.filter((slot) => slot.partition === value("partition"));
    const usual = data.projects[value("account")].default_qos;
    offer("qos", (name) => inPartition.some((slot) => slot.qos === (name || usual)));
    offer("reservation", (name) => !name || value("profile") || [ "", value("partition") ].includes(data.reservations[name]));
    const chosen = place();
    if (!chosen) return;
    for (const name of ["cpus", "memory_gb"]) bound(name, chosen[name]);
    const kinds = Object.keys(chosen.gpu_types).filter((kind) => kind);
    offer("gpu_type", (kind) => !kind || kinds.includes(kind));
    bound("gpus", value("gpu_type") ? chosen.gpu_types[value("gpu_type")] : chosen.gpus);
    show("gpus", chosen.gpus > 0);
    show("gpu_type", chosen.gpus > 0 && kinds.length > 0);
    if (!chosen.gpus) field("gpus").value = 0;
    if (!value("profile")) offer("minutes", (time) => chosen.minutes === null || Number(time) <= chosen.minutes);
    else offer("minutes", () => true);
  }

  function set(values) {
    for (const [name, chosen] of Object.entries(values)) {
      const control = field(name);
      if (!control || name === "profile") continue;
      for (const option of control.options ?? []) option.hidden = option.disabled = false;
      control.value = chosen;
    }
  }

  function takeSize() {
    const size = data.profiles[value("profile")];
    if (!size) return;
    const usual = size.gpus ? data.partitions.gpu : data.partitions.cpu;
    set({ gpu_type: "", qos: "", partition: usual, ...size });
  }

  // -- before the start

  const lines = document.getElementById("forecast");
  const sooner = document.getElementById("sooner");
  const part = (name) => lines.querySelector(`[data-${name}]`);
  let request = null;
  let timer = 0;

  function tell(answer) {
    lines.hidden = false;
    part("starts").textContent = answer.starts ?? answer.problem ?? answer.refused ?? answer.unknown ?? "";
    part("starts").classList.toggle("problem", Boolean(answer.problem ?? answer.refused));
    const start = answer.start ? new Date(answer.start) : null;
    const later = start && start - Date.now() > 60000;
    const clock = { hour: "2-digit", minute: "2-digit" };
    const day = start && start - Date.now() > 43200000 ? { day: "numeric", month: "short" } : {};
    part("when").textContent = later ? `(${start.toLocaleString(document.documentElement.lang === "en" ? "en-GB" : [], { ...day, ...clock })})` : "";
    part("cost-line").hidden = !answer.cost;
    part("cost").textContent = answer.cost ?? "";
    part("left-line").hidden = !answer.left;
    part("left").textContent = answer.left ?? "";
    sooner.hidden = !answer.sooner;
    if (answer.sooner) {
      sooner.querySelector("span").textContent = answer.sooner.words;
      sooner.querySelector("button").onclick = () => use(answer.sooner.values);
    }
  }

  function use(values) {
    form.querySelector('[name="profile"][value=""]').checked = true;
    narrow();
    set(values);
    narrow();
    ask();
    field("cpus").focus();
  }

  async function estimate() {
    request?.abort();
    const mine = (request = new AbortController());
    const body = new URLSearchParams(new FormData(form));
    body.set("server", forecast.dataset.server);
    try {
      const response = await fetch(forecast.dataset.estimate, {
        method: "POST",
        body,
        signal: AbortSignal.any([mine.signal, AbortSignal.timeout(20000)]),
      });
      if (!response.ok) throw new Error(response.status);
      tell(await response.json());
    } catch (error) {
      if (!mine.signal.aborted) tell({ unknown: data.words.silent });
    }
  }

  function ask() {
    if (!forecast.dataset.estimate) return;
    clearTimeout(timer);
    lines.hidden = false;
    part("starts").textContent = data.words.asking;
    part("starts").classList.remove("problem");
    part("when").textContent = "";
    sooner.hidden = true;
    timer = setTimeout(estimate, 500);
  }

  // -- while the page is open: new projects, and what is free

  function addOptions(page) {
    for (const select of form.querySelectorAll("select")) {
      const present = new Set([...select.options].map((option) => option.value));
      for (const option of page.querySelectorAll(`select[name="${select.name}"] option`)) {
        if (!present.has(option.value)) select.add(new Option(option.textContent, option.value));
      }
    }
  }

  function showFree(page) {
    for (const selector of ["#free tbody", ".forecast summary"]) {
      const [before, now] = [document, page].map((where) => where.querySelector(selector));
      if (before && now) before.replaceChildren(...now.childNodes);
    }
  }

  function take(page) {
    const source = page.getElementById("spawn-data");
    if (!source) return; // another page: signed out, or the server runs meanwhile
    const fresh = JSON.parse(source.textContent);
    showFree(page);
    const names = Object.keys(fresh.projects).filter((name) => !(name in data.projects));
    if (!names.length) return;
    const isFirst = !Object.keys(data.projects).length;
    if (isFirst) for (const select of form.querySelectorAll("select")) select.replaceChildren();
    Object.assign(data, fresh);
    addOptions(page);
    document.getElementById("homeless")?.remove();
    document.getElementById("news").textContent = data.words.newProject.replace("{names}", names.join(", "));
    narrow();
    if (isFirst) ask();
  }

  async function look() {
    if (document.hidden) return;
    try {
      const response = await fetch(location.href, { signal: AbortSignal.timeout(20000) });
      if (response.ok) take(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch (error) {
      console.warn("The form could not be brought up to date:", error);
    }
  }

  setInterval(look, LOOK);
  document.addEventListener("visibilitychange", look);

  form.addEventListener("change", (event) => {
    if (event.target.name === "profile") takeSize();
    narrow();
    ask();
  });
  narrow();
  if (!form.querySelector("[aria-invalid]")) ask(); // what is wrong is on the page already
})();
