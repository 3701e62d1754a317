// JupyterLab plugin: the time this server's job has left and the project's hours, in the status bar; warnings before
// the end, with what to do; and whether somebody is here, for the server's watch over idleness (spawners/node).

const POLL = 30_000; // ms between two questions to the server, at the least
const TICK = 5_000; // ms between two looks at the clock, which ask nobody
const WARN_AT = [15, 5]; // minutes left
const SAVE_AT = 60; // seconds left

/** "3 h 12 min", "4 min", "less than a minute"; rounded, so that a warning at five minutes says five. */
export function duration(seconds) {
  if (seconds < 60) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return [hours && `${hours} h`, minutes % 60 && `${minutes % 60} min`].filter(Boolean).join(" ");
}

/** Hours of one kind as words, as `quantity` of hub/formats.py writes them: thin spaces between thousands. */
function quantity(hours) {
  const maximumFractionDigits = hours < 1 ? 2 : hours < 10 ? 1 : 0;
  return new Intl.NumberFormat("en", { maximumFractionDigits }).format(hours).replaceAll(",", "\u202f");
}

function hoursLeft(hours, between) {
  const kinds = [["GPU", hours?.gpu], ["CPU", hours?.cpu]].filter(([, budget]) => budget?.granted);
  return kinds.map(([kind, budget]) => `${quantity(Math.max(budget.left, 0))} ${kind} h`).join(between);
}

function gpuUnused(seconds) {
  return `No GPU of this notebook has computed for ${duration(seconds)}. Its GPU hours are charged all the same.`;
}

/** What is known of the job now: the server's last word, and the time since. */
export class Job {
  constructor() {
    this.status = null;
    this.received = 0;
    this.silent = false;
    this.paused = false;
  }

  take(status) {
    this.status = status;
    this.received = Date.now();
    this.silent = this.paused = false;
  }

  /** The server did not answer; `paused`: the Hub answered in its place that the cluster has paused it. */
  miss(paused) {
    this.silent = true;
    this.paused = paused;
  }

  #since(seconds) {
    return seconds == null ? null : Math.max(seconds - (Date.now() - this.received) / 1000, 0);
  }

  get left() {
    return this.#since(this.status?.seconds_left);
  }

  get idleEnd() {
    return this.#since(this.status?.idle_end);
  }

  /** The smallest threshold that has been passed, in minutes; undefined: none has. */
  get warning() {
    return this.left == null ? undefined : WARN_AT.filter((minutes) => this.left <= minutes * 60).at(-1);
  }

  get text() {
    if (this.paused) return "Paused by the cluster";
    if (this.silent) return "Notebook server does not answer";
    if (!this.status) return "Time left: loading …";
    const hours = hoursLeft(this.status.hours, " · ");
    const time = this.left == null ? "No time limit known" : `${this.warning ? "⚠ " : ""}${duration(this.left)} left`;
    return hours ? `${time} · ${hours}` : time;
  }

  /** Everything there is to say, one sentence a line. */
  get sentences() {
    const lines = [];
    if (this.paused) lines.push("The cluster has paused this notebook. It goes on by itself; what kernels hold in memory stays.");
    else if (this.silent) lines.push("The notebook server does not answer. It may have ended, or the network may be down.");
    if (!this.status) return [...lines, "The time left is not known yet."];
    const { node, partition, job, project, hours, ends, idle_minutes, gpu_unused } = this.status;
    if (this.left != null && !this.paused) {
      const when = new Date(ends * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
      lines.push(`This notebook ends on ${when}, in ${duration(this.left)}.`);
    }
    lines.push(`It runs on ${node || "a node"}${partition ? `, partition ${partition}` : ""}, as job ${job || "(none)"}.`);
    if (project) {
      const left = hoursLeft(hours, " and ");
      const name = hours && hours.title !== project ? `${hours.title} (${project})` : project;
      lines.push(`Project ${name}${left ? `: ${left} left` : ": hours not known"}${hours?.stale ? ", last known value" : ""}.`);
    }
    if (gpu_unused) lines.push(gpuUnused(gpu_unused));
    lines.push(`It also ends when nothing happens in it for ${duration(idle_minutes * 60)}.`);
    return lines;
  }
}

export async function plugin(load) {
  const { IStatusBar } = await load("@jupyterlab/statusbar");
  const { Dialog, ICommandPalette, Notification, showDialog } = await load("@jupyterlab/apputils");
  const { ServerConnection } = await load("@jupyterlab/services");
  const { PageConfig } = await load("@jupyterlab/coreutils");
  const { Widget } = await load("@lumino/widgets");

  function activate(app, statusBar, palette) {
    const settings = app.serviceManager.serverSettings;
    const job = new Job();
    let lastUse = 0; // when somebody did something here
    let lastKeep = 0; // when the server was told
    let idleNotice;
    let saved = 0;

    const ask = async (method, path) => {
      const signal = AbortSignal.timeout(20_000);
      const answer = await ServerConnection.makeRequest(`${settings.baseUrl}${path}`, { method, signal }, settings);
      if (!answer.ok) {
        const paused = answer.status === 504 && (await answer.json().catch(() => ({}))).paused === true;
        throw Object.assign(new Error(`${path}: status ${answer.status}`), { paused });
      }
      return answer;
    };

    // -- the status bar

    const button = document.createElement("button");
    button.type = "button";
    button.id = "atrium-time";
    button.style.cssText = "border:0;background:none;color:inherit;font:inherit;cursor:pointer;padding:0 6px;min-height:24px";
    button.addEventListener("click", () => app.commands.execute("atrium:time"));
    // Warnings are read out once, here: a text that changes every minute is not for a live region.
    const spoken = document.createElement("span");
    spoken.setAttribute("role", "status");
    spoken.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap";
    const item = new Widget();
    item.node.append(button, spoken);
    statusBar?.registerStatusItem("atrium-lab:time", { item, align: "right", rank: 900, isActive: () => true });

    function show() {
      if (button.textContent !== job.text) button.textContent = job.text;
      button.title = job.sentences.join("\n");
    }

    // -- what people can do

    function hub(path) {
      return (job.status?.hub ?? PageConfig.getOption("hubHost") + PageConfig.getOption("hubPrefix")) + path;
    }

    app.commands.addCommand("atrium:time", {
      label: "Time and hours",
      caption: "How much time this notebook has, and its project",
      execute: () => {
        const body = new Widget();
        for (const sentence of job.sentences) {
          const line = document.createElement("p");
          line.textContent = sentence;
          line.style.margin = "4px 0";
          body.node.append(line);
        }
        const onward = Dialog.okButton({ label: "Continue in a new job" });
        return showDialog({ title: "Time and hours", body, buttons: [onward, Dialog.cancelButton({ label: "Close" })] }).then(
          (answer) => answer.button.accept && app.commands.execute("atrium:continue"),
        );
      },
    });
    app.commands.addCommand("atrium:continue", {
      label: "Continue in a new job",
      caption: "End this job and open the same workspace in a new one",
      execute: async () => {
        await saveAll();
        const there = new URLSearchParams({ server: job.status?.server ?? "", next: location.pathname });
        location.assign(`${hub("atrium/continue")}?${there}`);
      },
    });
    app.commands.addCommand("atrium:stop", {
      label: "Stop this server",
      caption: "To the start page, where it can be stopped",
      execute: () => window.open(hub("home"), "_blank"),
    });
    for (const command of ["atrium:time", "atrium:continue", "atrium:stop"]) palette?.addItem({ command, category: "Atrium" });

    async function saveAll() {
      try {
        await app.commands.execute("docmanager:save-all");
      } catch (error) {
        console.warn("Not everything could be saved:", error);
      }
    }

    // -- warnings

    const onward = { label: "Continue in a new job", callback: () => void app.commands.execute("atrium:continue") };

    function warn(text, actions) {
      spoken.textContent = text;
      return Notification.warning(text, { autoClose: false, actions });
    }

    function warnOfTheEnd() {
      const minutes = job.warning;
      if (minutes === undefined) return;
      const key = `atrium:warned:${job.status.job}:${job.status.ends}:${minutes}`; // a page that is loaded again says it once
      if (sessionStorage.getItem(key)) return;
      sessionStorage.setItem(key, "yes");
      warn(
        // JupyterLab shows the first 140 characters.
        `This notebook ends in ${duration(job.left)}. Open files are saved before; what kernels hold in memory is lost.`,
        [onward],
      );
    }

    function warnOfIdleness() {
      if (job.idleEnd == null) {
        if (idleNotice) Notification.dismiss(idleNotice);
        idleNotice = undefined;
        return;
      }
      idleNotice ??= warn(
        `Nothing has happened here for a while: this notebook ends in ${duration(job.idleEnd)}. Saved files stay.`,
        [{ label: "Keep it running", callback: () => void keep() }],
      );
    }

    function warnOfUnusedGpus() {
      const { gpu_unused, job: number } = job.status;
      const key = `atrium:gpu:${number}`; // a page that is loaded again says it once
      if (!gpu_unused || sessionStorage.getItem(key)) return;
      sessionStorage.setItem(key, "yes");
      warn(gpuUnused(gpu_unused), [onward]);
    }

    function showNotice() {
      const { notice, job: number } = job.status;
      const key = `atrium:notice:${number}`; // a page that is loaded again says it once
      if (!notice || sessionStorage.getItem(key)) return;
      sessionStorage.setItem(key, "yes");
      warn(notice, [onward]);
    }

    function saveBeforeTheEnd() {
      if (job.left == null || job.left > SAVE_AT || saved === job.status.ends) return;
      saved = job.status.ends;
      void saveAll();
    }

    // -- the server's word, and ours

    async function keep() {
      lastKeep = Date.now();
      try {
        await ask("POST", "atrium/job/keep");
        if (job.status) job.status.idle_end = null;
      } catch (error) {
        console.warn("The server did not hear that somebody is here:", error);
      }
      tick();
    }

    async function poll() {
      try {
        // Somebody typed or clicked since the server was told last: an open tab alone says nothing.
        if (lastUse > lastKeep) await keep();
        job.take(await (await ask("GET", "atrium/job")).json());
      } catch (error) {
        job.miss(error.paused === true);
        console.warn("Time and hours could not be asked for:", error);
      }
      tick();
      setTimeout(poll, POLL);
    }

    function tick() {
      show();
      if (!job.status || job.silent) return;
      warnOfTheEnd();
      warnOfIdleness();
      warnOfUnusedGpus();
      showNotice();
      saveBeforeTheEnd();
    }

    for (const kind of ["keydown", "pointerdown", "wheel"]) {
      const seen = () => {
        lastUse = Date.now();
        if (idleNotice && lastUse - lastKeep > POLL) void keep();
      };
      document.addEventListener(kind, seen, { capture: true, passive: true });
    }
    show();
    setInterval(tick, TICK);
    // The first page comes first.
    void app.restored.then(poll);
  }

  return { id: "atrium-lab:job", autoStart: true, optional: [IStatusBar, ICommandPalette], activate };
}
