// The clusters as cards. Each card is made once; what comes every half second only changes texts and widths, so that
// focus stays where it is and a screen reader is told of states, not of every number.

const PAGES = [["status", "Overview"], ["workers", "Workers"], ["tasks", "Tasks"], ["system", "System"], ["graph", "Graph"]];
const PHASES = {
  waiting: ["◷", "waiting"],
  starting: ["◐", "starting"],
  working: ["●", "working"],
  ending: ["◌", "ending"],
  lost: ["✕", "lost"],
};

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${value < 10 && unit ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function hours(value) {
  return `${value < 10 ? value.toFixed(2) : Math.round(value)} h`;
}

/** An element with attributes, texts and children; texts are never read as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Writes only what has changed: the rest costs nothing. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** The size of two fields; null while one of them is empty, which is no number of workers. */
export function sizeOf(least, most) {
  const isNumber = (text) => /^\d+$/.test(text.trim());
  return isNumber(least) && isNumber(most) ? { minimum: Number(least), maximum: Number(most) } : null;
}

class Meter {
  constructor(label) {
    this.fill = make("i");
    this.words = make("span");
    this.element = make("div", { class: "dask-meter" }, make("span", {}, label), this.words, make("b", { "aria-hidden": "true" }, this.fill));
  }

  set(part, words) {
    const width = `${Math.round(100 * Math.min(Math.max(part || 0, 0), 1))}%`;
    if (this.fill.style.width !== width) this.fill.style.width = width;
    say(this.words, words);
  }
}

class Workers {
  constructor() {
    this.rows = new Map();
    this.body = make("tbody");
    const heads = ["Worker", "Job", "State", "CPU", "Memory", "Spilled", "Network", "Tasks"];
    this.squares = make("div", { class: "dask-squares", "aria-hidden": "true" });
    this.table = make("table", { class: "records" },
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))), this.body);
    this.heads = heads;
    this.details = make("details", {}, make("summary", {}, "List of workers"), this.table);
  }

  update(workers) {
    const seen = new Set();
    for (const worker of workers) {
      seen.add(worker.name);
      if (!this.rows.has(worker.name)) this.rows.set(worker.name, this.#row());
      const { cells, square } = this.rows.get(worker.name);
      const [sign, word] = PHASES[worker.phase] ?? ["?", worker.phase];
      if (square.dataset.phase !== worker.phase) square.dataset.phase = worker.phase;
      say(square, sign);
      if (!this.details.open) continue;
      const works = worker.phase === "working";
      const texts = [worker.name, worker.job, `${sign} ${word}${worker.words ? `: ${worker.words}` : ""}`,
        works ? `${Math.round(worker.cpu)} %` : "", works ? `${bytes(worker.memory)} of ${bytes(worker.memory_limit)}` : "",
        works ? bytes(worker.spilled) : "", works ? `${bytes(worker.reads)}/s in, ${bytes(worker.writes)}/s out` : "",
        works ? String(worker.processing) : ""];
      texts.forEach((text, at) => say(cells[at], text));
    }
    for (const [name, { row, square }] of this.rows) {
      if (seen.has(name)) continue;
      row.remove();
      square.remove();
      this.rows.delete(name);
    }
  }

  #row() {
    const cells = this.heads.map((head) => make("td", { "data-label": head }));
    const row = make("tr", {}, ...cells);
    const square = make("i");
    this.body.append(row);
    this.squares.append(square);
    return { row, cells, square };
  }
}

class Card {
  constructor(name, send) {
    this.name = name;
    this.send = send;
    this.summary = make("p", { role: "status" });
    this.why = make("p", { class: "quiet" });
    this.trouble = make("div", { class: "notice bad", role: "alert", hidden: true });
    this.idle = make("div", { class: "notice warn", role: "status", hidden: true });
    this.meters = { tasks: new Meter("Tasks"), cpu: new Meter("CPU"), memory: new Meter("Memory"), network: new Meter("Network") };
    this.workers = new Workers();
    this.cost = make("p");
    this.links = make("nav", { "aria-label": `Dask dashboard of ${name}` });
    this.element = make("section", { class: "card dask-card", "aria-label": `Cluster ${name}` },
      make("h2", {}, name), this.summary, this.workers.squares, this.why, this.trouble, this.idle,
      make("div", { class: "dask-meters" }, ...Object.values(this.meters).map((meter) => meter.element)), this.cost,
      this.#controls(), this.links, this.workers.details, this.#snippet(), this.#script());
  }

  tell(deed, more = {}) {
    this.send({ do: deed, name: this.name, ...more });
  }

  #controls() {
    const field = (label) => make("input", { type: "number", required: true, min: 0, max: 256, "aria-label": `${label} workers of ${this.name}` });
    this.least = field("Minimum");
    this.most = field("Maximum");
    const apply = (event) => {
      event.preventDefault();
      const size = sizeOf(this.least.value, this.most.value);
      if (!size) return; // the browser says at the field what is missing
      this.touched = false;
      this.tell("resize", { size });
    };
    for (const input of [this.least, this.most]) input.addEventListener("input", () => { this.touched = true; });
    const button = (words, style, onclick) => make("button", { type: "button", class: `jupyter-button ${style}`, onclick }, words);
    this.pause = button("Pause", "", () => this.tell(this.paused ? "resume" : "pause"));
    this.stop = button("Stop", "mod-danger", () => this.#sure(true));
    this.really = button(`Stop ${this.name} and lose the data in its workers' memory`, "mod-danger", () => this.tell("stop"));
    this.not = button("Keep it", "", () => this.#sure(false));
    this.really.hidden = this.not.hidden = true;
    return make("form", { class: "dask-controls", onsubmit: apply },
      make("label", {}, "From ", this.least), make("label", {}, "to ", this.most, " workers"),
      make("button", { type: "submit", class: "jupyter-button" }, "Change size"), this.pause, this.stop, this.really, this.not);
  }

  #sure(confirming) {
    this.really.hidden = this.not.hidden = !confirming;
    this.stop.hidden = confirming;
    (confirming ? this.not : this.stop).focus();
  }

  #snippet() {
    const lines = `from widgets import Cluster\n\ncluster = Cluster.join("${this.name}")\nclient = cluster.client`;
    const copy = make("button", { type: "button", class: "jupyter-button", onclick: async () => {
      await navigator.clipboard?.writeText(lines);
      say(copy, "Copied");
      setTimeout(() => say(copy, "Copy"), 2000);
    } }, "Copy");
    return make("details", {}, make("summary", {}, "Use it in a notebook"), make("p", {}, "Run this in a notebook; from then on Dask computes there on these workers."),
      make("pre", { tabindex: 0, "aria-label": "Lines for a notebook" }, make("code", {}, lines)), copy);
  }

  #script() {
    this.text = make("code");
    return make("details", { ontoggle: (event) => { if (event.target.open) this.tell("script"); } },
      make("summary", {}, "Job script of a worker"), make("pre", { tabindex: 0, "aria-label": "Job script" }, this.text));
  }

  update(cluster, script) {
    const { size, workers, tasks } = cluster;
    const by = (phase) => workers.filter((worker) => worker.phase === phase).length;
    const counts = Object.entries(PHASES).map(([phase, [, word]]) => [by(phase), word]).filter(([count]) => count);
    const states = counts.map(([count, word]) => `${count} ${word}`).join(", ") || "no workers";
    const target = size.minimum === size.maximum ? `${size.maximum} requested` : `${size.minimum} to ${size.maximum}, by work`;
    this.paused = cluster.phase === "paused";
    say(this.summary, `${this.paused ? "Paused: " : ""}${states} (${target})`);
    const reasons = [...new Set(workers.filter((worker) => worker.phase === "waiting").map((worker) => worker.words))];
    say(this.why, reasons.join(" "));
    this.#notices(cluster);
    this.#measure(workers, tasks, cluster.shape);
    const gpu = cluster.gpu_hours ? ` and ${hours(cluster.gpu_hours)} of GPU` : "";
    say(this.cost, `So far: ${hours(cluster.cpu_hours)} of CPU${gpu}.`);
    say(this.pause, this.paused ? "Resume" : "Pause");
    if (!this.touched) { this.least.value = size.minimum; this.most.value = size.maximum; }
    if (!this.links.children.length && cluster.dashboard) {
      this.links.append(...PAGES.map(([page, words]) => make("a", { href: cluster.dashboard + page, target: "_blank", rel: "noopener" }, words)));
    }
    this.workers.update(workers);
    if (script) say(this.text, script);
  }

  #notices({ trouble, idle_end: idle }) {
    show(this.trouble, Boolean(trouble));
    const message = trouble ? `${trouble.message} ${trouble.hint}|${trouble.log}` : "";
    if (message !== this.message) {
      this.message = message;
      this.trouble.replaceChildren(...(trouble ? [make("div", {}, make("p", {}, `${trouble.message} ${trouble.hint}`), ...(trouble.log ? [make("pre", { tabindex: 0, "aria-label": "End of the log" }, trouble.log)] : []))] : []));
    }
    show(this.idle, idle !== null);
    if (idle !== null) {
      if (!this.idle.children.length) {
        this.idle.append(make("p"), make("button", { type: "button", class: "jupyter-button", onclick: () => this.tell("keep") }, "Keep it"));
      }
      say(this.idle.firstChild, `This cluster is idle and ends in ${Math.max(1, Math.round(idle / 60))} min.`);
    }
  }

  #measure(workers, tasks, shape) {
    const sum = (key) => workers.reduce((total, worker) => total + worker[key], 0);
    const working = workers.filter((worker) => worker.phase === "working").length;
    const cores = working * shape.cores;
    const all = tasks.waiting + tasks.processing + tasks.done;
    this.meters.tasks.set(all ? tasks.done / all : 0, `${tasks.done} done, ${tasks.processing} running, ${tasks.waiting} waiting${tasks.erred ? `, ${tasks.erred} failed` : ""}`);
    this.meters.cpu.set(cores ? sum("cpu") / 100 / cores : 0, `${(sum("cpu") / 100).toFixed(1)} of ${cores} cores`);
    const spilled = sum("spilled");
    this.meters.memory.set(sum("memory_limit") ? sum("memory") / sum("memory_limit") : 0, `${bytes(sum("memory"))} of ${bytes(sum("memory_limit"))}${spilled ? `, ${bytes(spilled)} on disk` : ""}`);
    this.meters.network.set(0, `${bytes(sum("reads"))}/s in, ${bytes(sum("writes"))}/s out`);
  }
}

function render({ model, el }) {
  const cards = new Map();
  el.classList.add("dask-cards");
  const draw = () => {
    const clusters = model.get("clusters");
    const scripts = model.get("scripts");
    for (const cluster of clusters) {
      if (!cards.has(cluster.name)) {
        const card = new Card(cluster.name, (message) => model.send(message));
        cards.set(cluster.name, card);
        el.append(card.element);
      }
      cards.get(cluster.name).update(cluster, scripts[cluster.name]);
    }
    for (const [name, card] of cards) {
      if (clusters.some((cluster) => cluster.name === name)) continue;
      card.element.remove();
      cards.delete(name);
    }
    el.dataset.updates = Number(el.dataset.updates ?? 0) + 1;
  };
  model.on("change:clusters", draw);
  model.on("change:scripts", draw);
  draw();
}

export default { render };
