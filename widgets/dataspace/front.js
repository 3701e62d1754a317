// The data-space page in the browser. Whatever a record says is put in as text, never as markup; links lead to
// http, https and s3 only. The address bar holds the search (#q=water&chip=licence:open) or the record (#record=12).

const FACETS = {
  sector: "Sector", space: "Data space", publisher: "Publisher", licence: "Licence",
  access: "Access", format: "Format", language: "Language", updated: "Updated", country: "Country",
  kind: "Kind", quality: "Description", high_value: "High value", keyword: "Keyword",
};
const FINDERS = { publisher: "Find a publisher", keyword: "Find a keyword by its beginning" };
const SORTS = {
  relevance: "Best match first", date: "Newest first", oldest: "Oldest first", size: "Largest first", name: "By title, A to Z",
};
const LICENCES = {
  "open": "open", "attribution": "with attribution", "share-alike": "share alike",
  "non-commercial": "non-commercial", "bespoke": "own terms", "not-stated": "licence not stated",
};
const ACCESS = { "public": "public", "restricted": "restricted", "contract": "by contract", "not-stated": "access not stated" };
const LEVELS = { record: "the record", file: "its file", service: "the service that hands it out", offer: "its policy" };
const VERDICTS = {
  yes: ["ok", "Usable now"], ask: ["warn", "Usable on request"], no: ["bad", "Not usable"],
};
const RULES = {
  permission: ["ok", "You may"], prohibition: ["bad", "You may not"], duty: ["warn", "You must"],
  "other-asset": ["", "About something else"], "not-understood": ["warn", "Not recognised, so not allowed"],
};
const QUALITY = { good: ["ok", "well described"], fair: ["warn", "fairly described"], poor: ["bad", "poorly described"] };
const TRANSFERS = {
  waiting: ["", "waiting for submission to Slurm"], submitting: ["", "being submitted to Slurm"], queued: ["", "waiting for a node"],
  running: ["", "being copied"], cancelling: ["warn", "being cancelled"], done: ["ok", "arrived"],
  quarantined: ["bad", "put into quarantine"], failed: ["bad", "did not arrive"], cancelled: ["warn", "cancelled"],
};
const UPLOADS = { ...TRANSFERS, running: ["", "being uploaded"], done: ["ok", "uploaded"], failed: ["bad", "was not uploaded"] };
const PROTOCOLS = { rdf: "DCAT as RDF", ckan: "CKAN's API", dsp: "Dataspace Protocol" };
const RUNS = {
  running: ["", "being harvested"], complete: ["ok", "complete"], incomplete: ["warn", "incomplete"], failed: ["bad", "failed"],
};
const OVER = ["done", "quarantined", "failed", "cancelled"];
const PAGES = ["search", "saved", "transfers", "publish", "sources"];
const TABS = {
  search: "Search", saved: "Saved searches", transfers: "Transfers", publish: "Publish", sources: "Sources",
};
const THEMES = {
  "": "not chosen", AGRI: "Agriculture, fisheries, forestry and food", ECON: "Economy and finance", EDUC: "Education, culture and sport",
  ENER: "Energy", ENVI: "Environment", GOVE: "Government and public sector", HEAL: "Health", INTR: "International issues",
  JUST: "Justice, legal system and public safety", REGI: "Regions and cities", SOCI: "Population and society",
  TECH: "Science and technology", TRAN: "Transport",
};
const LICENCE_CHOICES = {
  "https://creativecommons.org/licenses/by/4.0/": "CC BY 4.0 (name the author)",
  "https://creativecommons.org/publicdomain/zero/1.0/": "CC0 (no conditions)",
  "https://creativecommons.org/licenses/by-sa/4.0/": "CC BY-SA 4.0 (share alike)",
  "https://creativecommons.org/licenses/by-nc/4.0/": "CC BY-NC 4.0 (non-commercial)",
};

// ---- making elements: children are text or elements, so nothing is ever parsed ----

function h(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child || child === 0));
  return element;
}

function link(address, words) {
  if (!/^(https?|s3):\/\/[^\s<>"]+$/i.test(address || "")) return words ? h("span", {}, words) : h("span", {}, address || "");
  if (/^s3:/i.test(address)) return h("code", {}, address);
  return h("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, words || address);
}

/** A licence as people call it; an address that we do not know is named by its class. */
function licenceName(licence, kind) {
  const known = /^https?:\/\/creativecommons\.org\/(?:licenses\/([a-z-]+)|publicdomain\/(zero))\/([\d.]+)/i.exec(licence || "");
  if (known) return known[2] ? `CC0 ${known[3]}` : `CC ${known[1].toUpperCase()} ${known[3]}`;
  return !licence || /^https?:/i.test(licence) ? LICENCES[kind] : licence;
}

const button = (words, act, options = {}) => h("button", { type: "button", class: "button small", onclick: act, ...options }, words);
const state = ([kind, words]) => h("span", { class: `state ${kind}` }, words);
const notice = (kind, ...words) => h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, h("p", {}, words));

function skeleton(words) {
  return h("div", { class: "skeleton", role: "status" }, h("i"), h("i"), h("i"), h("p", {}, `${words}…`));
}

const language = (navigator.language || "en").slice(0, 2).toLowerCase();

function text(texts) {
  if (!texts) return "";
  return texts[language] || texts.en || texts.und || Object.values(texts)[0] || "";
}

// As hub/formats.py writes them, whose English is that of Great Britain, with thin spaces between thousands.
const number = (value) => new Intl.NumberFormat("en-GB").format(value).replaceAll(",", "\u202f");
/** A day; one without a time is the same everywhere, that of a moment is the reader's. */
export const day = (value) => new Date(value).toLocaleDateString("en-GB", {
  dateStyle: "medium", timeZone: /T/.test(value) ? undefined : "UTC",
});
const moment = (value) => new Date(value).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

function size(bytes) {
  if (bytes === null || bytes === undefined) return "size not stated";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${bytes.toLocaleString("en-GB", { maximumFractionDigits: bytes < 10 && at ? 1 : 0 })} ${units[at]}`;
}

// ---- the address ----

export function readAddress(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const record = parameters.get("record") || "";
  const sort = parameters.get("sort");
  const dayOf = (name) => (/^\d{4}-\d{2}-\d{2}$/.test(parameters.get(name)) ? parameters.get(name) : "");
  const page = Number.parseInt(parameters.get("page"), 10);
  return {
    view: /^\d{1,9}$/.test(record) ? "record" : PAGES.includes(parameters.get("view")) ? parameters.get("view") : "search",
    record: /^\d{1,9}$/.test(record) ? Number(record) : null,
    text: (parameters.get("q") || "").slice(0, 20000),
    chips: parameters.getAll("chip").slice(0, 40).filter((chip) => chip.split(":", 1)[0] in FACETS && chip.length < 300),
    from: dayOf("from"),
    to: dayOf("to"),
    sort: Object.hasOwn(SORTS, sort) ? sort : "relevance",
    page: page >= 1 && page <= 100 ? page : 1,
  };
}

export function writeAddress(place) {
  const parameters = new URLSearchParams();
  if (place.view !== "search" && place.view !== "record") parameters.set("view", place.view);
  if (place.text) parameters.set("q", place.text);
  for (const chip of place.chips) parameters.append("chip", chip);
  if (place.from) parameters.set("from", place.from);
  if (place.to) parameters.set("to", place.to);
  if (place.sort !== "relevance") parameters.set("sort", place.sort);
  if (place.page > 1) parameters.set("page", place.page);
  if (place.view === "record") parameters.set("record", place.record);
  return `#${parameters}`;
}

// ---- the page ----

export class Page {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.keepsAddress = model.get("address_bar") === "yes";
    this.place = readAddress(this.keepsAddress ? location.hash : "");
    this.labels = {};
    this.startedUploads = 0;
    this.destinations = {}; // which project was chosen for a file; the page is drawn anew with any news
    this.message = h("div", { class: "ds-message" });
    this.tabs = h("nav", { class: "ds-tabs", "aria-label": "Data" });
    this.main = h("div", { class: "ds-main" });
    root.replaceChildren(h("div", { class: "ds" }, this.tabs, this.message, this.main));
    this.field = h("input", {
      type: "search", id: "ds-search", maxlength: 20000, autocomplete: "off", value: this.place.text, "data-key": "field",
      placeholder: "such as air quality",
    });
    this.field.addEventListener("input", () => this.typed());
    this.finders = Object.fromEntries(Object.keys(FINDERS).map((facet) => [facet, this.finder(facet)]));
    this.days = { from: this.dayField("from"), to: this.dayField("to") };
    this.count = h("p", { class: "ds-count", role: "status", "aria-live": "polite" });
    this.signIn();
  }

  ask(action, more = {}) {
    this.action = action;
    this.model.send({ do: action, ...more });
  }

  get state() { return this.model.get("page_state"); }

  get admin() { return this.state.me?.roles.includes("admin"); }

  get query() {
    const { text: words, chips, from, to, sort, page } = this.place;
    return { text: words, chips, updated_from: from || null, updated_to: to || null, sort, page, language };
  }

  signIn() {
    if (this.signedIn || !this.state.me) return; // the kernel does not know yet who is there
    this.signedIn = true;
    this.go(this.place, "none");
  }

  // -- going somewhere

  go(changes, how = "push") {
    const before = this.place.view;
    this.place = { ...this.place, ...changes };
    if (this.keepsAddress && how !== "none") {
      history[how === "push" ? "pushState" : "replaceState"](null, "", writeAddress(this.place));
    }
    this.drawTabs();
    this.message.replaceChildren();
    const view = this.place.view;
    if (view === "search") this.search();
    else if (view === "record") this.ask("open", { id: this.place.record, language });
    else if (view === "publish") ["publications", "uploads"].forEach((list) => this.ask(list));
    else this.ask(view);
    this.draw(before !== view || view === "record");
    this.arriving = how === "push" && before !== view;
    if (this.arriving) this.main.querySelector("h2")?.focus();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.place = { ...this.place, text: this.field.value, page: 1 };
      if (this.keepsAddress) history.replaceState(null, "", writeAddress(this.place));
      this.search(true);
    }, 150);
  }

  search(typing = false) {
    this.main.setAttribute("aria-busy", "true");
    this.ask("search", { query: { ...this.query, typing: typing && this.place.text !== "" } });
    if (this.finders.publisher.value.trim()) this.find("publisher"); // its counts are those of this search
  }

  arrive() {
    this.place = readAddress(location.hash);
    this.fill();
    this.go({}, "none");
  }

  /** Goes to another search, whose words and days the fields show. */
  goToSearch(place) {
    this.go(place);
    this.fill();
  }

  fill() {
    this.field.value = this.place.text;
    for (const [name, field] of Object.entries(this.days)) field.value = this.place[name];
  }

  // -- what the kernel sends

  news(before) {
    const now = this.state;
    const changed = (name) => now[name] !== before[name] && JSON.stringify(now[name]) !== JSON.stringify(before[name]);
    if (changed("trouble") || changed("done")) this.drawMessage();
    const view = this.place.view;
    const matters = {
      search: ["answer", "suggestions", "values", "trouble"], record: ["record", "snippets", "preview", "transfers", "trouble"], saved: ["saved", "trouble"],
      transfers: ["transfers", "trouble"], publish: ["publications", "uploads", "transfers", "trouble", "done"], sources: ["sources", "runs", "trouble", "done"],
    }[view];
    if (!matters.some(changed)) return;
    const saved = now.done && changed("done") && ["put_source", "publish", "change_publication"].includes(this.action);
    if (now.done && changed("done") && this.action === "upload") this.startedUploads += 1; // its form is empty again
    if (saved) this.editing = this.publishing = null; // the form is empty again
    this.draw(saved || (view === "record" && changed("record")));
    if (changed("trouble")) this.mark();
    if (view === "record" && this.arriving && this.main.querySelector("h2")) {
      this.arriving = false;
      this.main.querySelector("h2").focus();
    }
  }

  drawMessage() {
    const { trouble, failed, done } = this.state;
    const shown = trouble && failed !== "preview" ? notice("bad", `${trouble.message} ${trouble.hint || ""}`) : done ? notice("ok", done) : null;
    shown?.append(button("✕", () => { this.message.replaceChildren(); this.main.querySelector("#ds-search, h2")?.focus(); }, { "aria-label": "Close this message" }));
    this.message.replaceChildren(...(shown ? [shown] : []));
  }

  /** The complaint at the field that it is about, and the keyboard in it. */
  mark() {
    const forms = [...this.main.querySelectorAll("form[data-draft]")];
    for (const old of this.main.querySelectorAll("form[data-draft] .field-error")) old.remove();
    const { message, hint, field } = this.state.trouble || {};
    const control = field && forms.map((form) => form.elements[field]).find(Boolean);
    if (!control) return;
    control.closest(".field").append(h("span", { class: "field-error" }, `${message} ${hint || ""}`.trim()));
    control.focus();
  }

  /** What stands in a view before its answer has come: a skeleton, or after trouble a way to ask once more. */
  coming(words) {
    if (!this.state.trouble) return skeleton(words);
    return h("p", { class: "actions" }, button("Try again", () => this.go({}, "none"), { "data-key": "again" }));
  }

  drawTabs() {
    const here = this.place.view === "record" ? "search" : this.place.view;
    this.tabs.replaceChildren(h("ul", {}, Object.entries(TABS).filter(([name]) => name !== "sources" || this.admin).map(
      ([name, words]) => h("li", {}, h("a", {
        href: writeAddress({ ...this.place, view: name }), "aria-current": name === here ? "page" : null,
        onclick: (event) => { event.preventDefault(); this.go({ view: name }); },
      }, words)),
    )));
  }

  /** Puts new content in; whoever has the focus keeps it. */
  draw(fresh = false) {
    const focused = this.main.contains(document.activeElement) ? document.activeElement : null;
    const open = new Set([...this.main.querySelectorAll("details[open][data-key]")].map((details) => details.dataset.key));
    const drafts = fresh ? [] : [...this.main.querySelectorAll("form.form[data-draft]")];
    const content = { search: () => this.searchView(), record: () => this.recordView(), saved: () => this.savedView(),
      transfers: () => this.transfersView(), publish: () => this.publishView(), sources: () => this.sourcesView() }[this.place.view]();
    this.main.replaceChildren(...content.flat(3).filter(Boolean));
    for (const form of this.main.querySelectorAll("form.form[data-draft]")) {
      const draft = drafts.find((old) => old.dataset.draft === form.dataset.draft);
      if (!draft) continue;
      if (draft.elements.stored) fillChoice(draft.elements.stored, this.uploadedFiles());
      form.replaceWith(draft);
    }
    this.main.removeAttribute("aria-busy");
    for (const details of this.main.querySelectorAll("details[data-key]")) if (open.has(details.dataset.key)) details.open = true;
    if (!focused) return;
    const { key } = focused.dataset;
    const same = this.main.contains(focused) ? focused : key && [...this.main.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key);
    (same || this.main.querySelector("#ds-search, h2"))?.focus(); // what was pressed may be gone, as a chip is
  }

  // -- search

  searchView() {
    const answer = this.state.answer;
    const form = h("form", { class: "ds-search form", role: "search", onsubmit: (event) => {
      event.preventDefault();
      clearTimeout(this.timer);
      this.go({ text: this.field.value, page: 1 });
    } },
      h("label", { for: "ds-search" }, "Find data"),
      h("div", { class: "with-button" }, this.field, h("button", { type: "submit", class: "button primary" }, "Search")));
    if (!answer) return [form, this.coming("Searching")];
    for (const [facet, values] of Object.entries(answer.facets)) for (const value of values) this.labels[`${facet}:${value.value}`] = value.label;
    const words = answer.total === 1 ? "1 record" : `${number(answer.total)} records`;
    if (this.count.textContent !== words) this.count.textContent = words;
    const head = h("div", { class: "ds-head" }, this.count, this.sorting(), this.savingForm());
    return [form, this.chosen(), head,
      h("div", { class: "ds-columns" }, this.facets(answer), h("div", {}, this.searchedFor(answer), answer.total ? this.hits(answer) : this.nothing()))];
  }

  /** What was searched for, where that is not what was typed. */
  searchedFor(answer) {
    return [
      answer.corrected && notice("", "No records match your words. Did you mean ",
        button(`“${answer.corrected}”`, () => { this.field.value = answer.corrected; this.go({ text: answer.corrected, page: 1 }); }, { "data-key": "corrected" }),
        "? These are the records for it."),
      answer.shortened && notice("warn", "Only the first 500 characters of your text were searched for. Use fewer words."),
    ];
  }

  sorting() {
    return h("label", { class: "ds-sort" }, "Sort by ", h("select", { "data-key": "sort", onchange: (event) => this.go({ sort: event.target.value, page: 1 }) },
      Object.entries(SORTS).map(([value, words]) => h("option", { value, selected: value === this.place.sort }, words))));
  }

  savingForm() {
    const title = h("input", { type: "text", maxlength: 120, required: true, id: "ds-save-title", value: this.place.text || "My search" });
    const mail = h("input", { type: "checkbox", checked: true });
    return h("details", { "data-key": "save" }, h("summary", {}, "Save this search"),
      h("form", { class: "form ds-box", onsubmit: (event) => {
        event.preventDefault();
        this.ask("save", { title: title.value, mail: mail.checked, query: this.query });
      } },
        h("p", { class: "field" }, h("label", { for: "ds-save-title" }, "Name"), title),
        h("label", { class: "check" }, mail, "Mail me when new records match, at most once a day"),
        h("button", { type: "submit", class: "button small", "data-key": "save-search" }, "Save search")));
  }

  label(chip) { return this.labels[chip] || chip.slice(chip.indexOf(":") + 1); }

  toggle(chip) {
    const chips = this.place.chips.includes(chip) ? this.place.chips.filter((other) => other !== chip) : [...this.place.chips, chip];
    this.go({ chips, page: 1 });
  }

  get isFiltered() { return this.place.chips.length > 0 || Boolean(this.place.from || this.place.to); }

  chosen() {
    if (!this.isFiltered) return null;
    const { from, to } = this.place;
    const days = from && to ? `${day(from)} to ${day(to)}` : from ? `since ${day(from)}` : `until ${day(to)}`;
    return h("ul", { class: "ds-chips", "aria-label": "Active filters" },
      this.place.chips.map((chip) => h("li", {}, button(
        [h("span", { class: "visually-hidden" }, "Remove filter "), `${FACETS[chip.split(":", 1)[0]]}: ${this.label(chip)} ✕`],
        () => this.toggle(chip), { class: "ds-chip", "data-key": `chosen-${chip}` }))),
      (from || to) && h("li", {}, button([h("span", { class: "visually-hidden" }, "Remove filter "), `Updated: ${days} ✕`],
        () => this.goToSearch({ from: "", to: "", page: 1 }), { class: "ds-chip", "data-key": "chosen-days" })),
      h("li", {}, button("Remove all filters", () => this.goToSearch({ chips: [], from: "", to: "", page: 1 }), { class: "ds-chip" })));
  }

  /** A field that searches the values of a facet; it stays while the page is drawn anew around it. */
  finder(facet) {
    const field = h("input", { type: "search", maxlength: 100, autocomplete: "off", id: `ds-find-${facet}`, "data-key": `find-${facet}` });
    field.addEventListener("input", () => {
      for (const other of Object.values(this.finders)) if (other !== field) other.value = "";
      clearTimeout(this.finding);
      this.finding = setTimeout(() => this.find(facet), 200);
    });
    return field;
  }

  find(facet) {
    const words = this.finders[facet].value.trim();
    if (words) this.ask("values", { query: { ...this.query, page: 1, facet, find: words } });
    else this.draw();
  }

  dayField(name) {
    const field = h("input", { type: "date", id: `ds-${name}`, "data-key": `day-${name}`, value: this.place[name] });
    field.addEventListener("change", () => this.go({ [name]: field.value, page: 1 }));
    return field;
  }

  daysFilter() {
    return h("details", { "data-key": "facet-days", open: Boolean(this.place.from || this.place.to) }, h("summary", {}, "Updated between"),
      h("p", { class: "field" }, h("label", { for: "ds-from" }, "First day"), this.days.from),
      h("p", { class: "field" }, h("label", { for: "ds-to" }, "Last day"), this.days.to),
      h("p", { class: "quiet" }, "Records without a date are left out."));
  }

  /** The values that a search counts, or those that a finder has. */
  facetValues(facet, counted) {
    const words = this.finders[facet]?.value.trim();
    const { values } = this.state;
    if (!words) return counted;
    return values?.facet === facet && values.find === words ? values.values : null;
  }

  facet(facet, name, counted, open) {
    const values = this.facetValues(facet, counted);
    for (const value of values || []) this.labels[`${facet}:${value.value}`] = value.label;
    return h("details", { "data-key": `facet-${facet}`, open: open || this.place.chips.some((chip) => chip.startsWith(`${facet}:`)) },
      h("summary", {}, name),
      facet in FINDERS && h("p", { class: "field" }, h("label", { for: `ds-find-${facet}` }, FINDERS[facet]), this.finders[facet]),
      !values && h("p", { class: "quiet", role: "status" }, this.state.failed === "values" ? "The search failed. Type once more." : "Searching…"),
      values && !values.length && this.finders[facet]?.value && h("p", { class: "quiet", role: "status" }, "Nothing here matches. Type something else."),
      h("ul", {}, (values || []).map((value) => this.facetValue(`${facet}:${value.value}`, value))));
  }

  facetValue(chip, value) {
    return h("li", {}, h("button", { type: "button", class: "ds-value", "data-key": chip,
      "aria-pressed": String(this.place.chips.includes(chip)), onclick: () => this.toggle(chip) },
      h("span", {}, value.label), h("span", { class: "quiet" }, number(value.count))));
  }

  facets(answer) {
    const wide = matchMedia("(min-width: 48rem)").matches;
    const shown = Object.entries(FACETS).filter(([facet]) => answer.facets[facet]?.length || facet === "keyword");
    if (!answer.total && !this.isFiltered) return null;
    const groups = shown.map(([facet, name], at) => this.facet(facet, name, answer.facets[facet] || [], at < 3));
    groups.push(this.daysFilter());
    return h("details", { class: "ds-facets", "data-key": "facets", open: wide }, h("summary", {}, h("span", { role: "heading", "aria-level": 2 }, "Filters")), groups);
  }

  hits(answer) {
    const pages = Math.min(100, Math.ceil(answer.total / 20));
    return [
      h("h2", { class: "visually-hidden", tabindex: -1 }, "Results"),
      h("ol", { class: "ds-hits" }, answer.hits.map((card) => h("li", { class: "card" }, this.card(card)))),
      pages > 1 && h("nav", { class: "actions", "aria-label": "Pages of results" },
        this.place.page > 1 && button("Previous page", () => this.turn(-1), { "data-key": "previous" }),
        h("span", { class: "quiet" }, `Page ${this.place.page} of ${pages}${answer.total > pages * 20 ? `: the first ${number(pages * 20)} records; add filters to see others` : ""}`),
        this.place.page < pages && button("Next page", () => this.turn(1), { "data-key": "next" })),
    ];
  }

  turn(by) { this.go({ page: this.place.page + by }); this.root.scrollIntoView(); }

  card(card) {
    const place = { ...this.place, view: "record", record: card.id };
    return [
      h("h3", {}, h("a", { href: writeAddress(place), onclick: (event) => { event.preventDefault(); this.go({ view: "record", record: card.id }); } },
        text(card.title) || card.uri)),
      h("p", { class: "quiet" }, [text(card.publisher) || "publisher not stated", card.space].filter(Boolean).join(" · ")),
      text(card.summary) && h("p", { class: "words-small" }, text(card.summary)),
      h("p", { class: "ds-facts" },
        state(VERDICTS[card.usable]), h("span", {}, licenceName(card.licence, card.licence_class)), h("span", {}, ACCESS[card.access]),
        h("span", {}, card.formats.join(", ") || "format not stated"), h("span", {}, size(card.bytes)),
        h("span", {}, card.updated ? `updated ${day(card.updated)}` : "date not stated"),
        card.quality && state(QUALITY[card.quality])),
      h("p", { class: "quiet" }, card.reason),
    ];
  }

  nothing() {
    const { suggestions = [] } = this.state;
    const nothingAtAll = !this.place.text && !this.isFiltered;
    return h("section", { class: "card empty" },
      h("h2", { tabindex: -1 }, nothingAtAll ? "There are no data sets here yet" : "No data sets match your search"),
      h("p", {}, nothingAtAll
        ? "This page lists data of the data spaces this factory takes part in. An administrator adds the first source; a project can publish its own."
        : suggestions.length ? "These searches have results:" : "Try other words, or fewer filters."),
      suggestions.length > 0 && h("ul", {}, suggestions.map((suggestion) => h("li", {}, button(
        `${suggestion.text} (${number(suggestion.total)})`, () => this.goToSearch({ ...searchPlace(suggestion.query), sort: this.place.sort }))))),
      nothingAtAll && h("p", { class: "actions" }, this.admin
        ? button("Add a source", () => this.go({ view: "sources" }))
        : button("Publish data", () => this.go({ view: "publish" }))),
      !nothingAtAll && h("p", { class: "actions" }, button("Clear search", () => this.goToSearch(searchPlace({})), { "data-key": "over" })));
  }

  // -- one record

  recordView() {
    const back = h("p", {}, h("a", { href: writeAddress({ ...this.place, view: "search" }), onclick: (event) => { event.preventDefault(); this.go({ view: "search" }); } }, "← Back to the search"));
    const page = this.state.record;
    if (!page || page.id !== this.place.record) return [back, this.coming("Opening the record")];
    const record = page.record;
    return [
      back,
      h("h2", { tabindex: -1, class: "ds-title" }, text(record.title) || record.uri),
      h("p", { class: "quiet" }, [text(record.publisher.name) || "publisher not stated", page.space, record.kind].join(" · ")),
      h("div", { class: "cards wide" }, this.canI(page), this.whatMayI(page)),
      h("h3", {}, "What it is"),
      (text(record.description) || "The source gives no description.").split(/\n{2,}/).map((part) => h("p", { class: "ds-text" }, part)),
      this.keywords(record),
      h("h3", {}, "How to get it"), this.files(page),
      h("h3", {}, "Where it comes from"), this.provenance(page),
      this.further(record),
    ];
  }

  canI(page) {
    const { record, usable, quality } = page;
    const rights = text(record.access_rights);
    const biggest = record.distributions.reduce((most, file) => Math.max(most, file.bytes ?? -1), -1);
    return h("section", { class: "card" }, h("h3", {}, "Can I use it?"), h("p", { class: "words" }, state(VERDICTS[usable.verdict])),
      h("p", {}, usable.reason),
      facts({
        "Decided by": usable.verdict !== "yes" && LEVELS[usable.decided_by],
        "Stated in words": record.rights_in_words.map((words) => h("span", { class: "ds-text" }, `“${words}”`)),
        "How big": biggest < 0 ? "not stated" : size(biggest),
        "Access": accessName(record) + (rights && !/^https?:/i.test(rights) ? ` (${rights})` : ""),
        "Updated": record.modified ? day(record.modified) : record.issued ? `issued ${day(record.issued)}` : "not stated",
        "Version": record.version, "Language": record.languages.map((code) => page.labels[code] || code).join(", "),
        "Description": quality && `${QUALITY[quality.badge][1]}: ${quality.score} of 100`,
      }));
  }

  whatMayI(page) {
    const { record, sentences } = page;
    return h("section", { class: "card" }, h("h3", {}, "What may I do?"),
      h("p", { class: "words" }, record.licence.uri || text(record.licence.label) ? "Licence: " : "", link(record.licence.uri, licenceName(text(record.licence.label) || record.licence.uri, record.licence.kind))),
      record.licence.kind !== "not-stated" && h("p", {}, page.labels[record.licence.kind] || LICENCES[record.licence.kind]),
      sentences.length > 0 && h("ul", { class: "ds-rules" }, sentences.map((sentence) => h("li", {},
        state(ruleName(sentence)), h("span", {}, sentence.offer && h("strong", {}, `${sentence.offer}: `), sentence.text), sentence.verbatim && h("pre", { tabindex: 0, "aria-label": "The rule as its source has it" }, sentence.verbatim)))),
      !sentences.length && h("p", { class: "quiet" }, "No further policy is attached."));
  }

  keywords(record) {
    const words = Object.values(record.keywords).flat();
    return words.length ? h("ul", { class: "ds-chips", "aria-label": "Keywords" }, words.slice(0, 30).map((word) => h("li", {},
      button([h("span", { class: "visually-hidden" }, "Find records with the keyword "), word],
        () => this.goToSearch({ ...searchPlace({ chips: [`keyword:${word}`] }), view: "search" }), { class: "ds-chip" })))) : null;
  }

  files(page) {
    const files = page.record.distributions;
    if (!files.length) return h("p", {}, "The source lists no files. ", page.record.landing_page && link(page.record.landing_page, "Landing page"));
    const stated = page.record.distributions_stated;
    return [stated && h("p", { class: "quiet" }, `The source lists ${number(stated)} files. The first ${number(files.length)} are shown; its own page has the others.`),
      h("ol", { class: "ds-hits" }, files.map((file, at) => h("li", { class: "card" }, this.file(page, file, at))))];
  }

  file(page, file, at) {
    const address = file.download_url || file.access_url;
    const code = (this.state.snippets || [])[at];
    const uses = usesOf(page, at);
    const refusal = uses.every((use) => use.refusal || use.verdict === "no") ? uses[0].refusal || uses[0].reason : "";
    const why = refusal ? { disabled: true, "aria-describedby": `ds-refusal-${at}` } : {};
    const name = text(file.title) || `file ${at + 1}`;
    const path = (page.paths || [])[at];
    const stored = (page.stored || [])[at];
    const shown = this.previewed?.record === page.id && this.previewed.file === at;
    return [
      h("h4", {}, text(file.title) || `File ${at + 1}`),
      text(file.description) && h("p", {}, text(file.description)),
      h("p", { class: "ds-facts" }, h("span", {}, file.format || file.media_type || "format not stated"), h("span", {}, size(file.bytes)),
        file.checksum && h("span", {}, `${file.checksum.algorithm} stated`), file.endpoint_url && h("span", {}, file.endpoint_url === file.access_url ? "through a service" : "through a connector")),
      path ? h("p", { class: "ds-address" }, "On this machine: ", h("code", {}, path))
        : stored && page.visibility !== "everybody" ? h("p", {}, "Stored here. Bring it to your project, or use it in a notebook.") : address && h("p", { class: "ds-address" }, link(address)),
      unusable(file),
      /^s3:/i.test(address || "") && h("p", { class: "quiet" }, "In S3: this works for public objects. For others, use keys of your own in a notebook."),
      address && refusal && h("p", { id: `ds-refusal-${at}` }, state(VERDICTS[uses[0].verdict]), ` ${refusal}`),
      address && h("div", { class: "actions" },
        button("Show first rows", () => this.onTerms(page, at, "preview", { id: page.id, file: at }),
          { "data-key": `preview-${at}`, "aria-label": `Show first rows of ${name}`, ...why }),
        this.bringing(page, file, at, why),
        !code && file.download_url && button(stored ? "Use in a notebook" : "Use without copying", () => this.onTerms(page, at, "use", { id: page.id, file: at }),
          { "data-key": `use-${at}`, "aria-label": stored ? `Use ${name} in a notebook` : `Use ${name} without copying`, ...why })),
      this.accepting?.record === page.id && this.accepting.file === at && !refusal && this.terms(uses),
      shown && this.preview(),
      code && h("details", { "data-key": `snippet-${at}` }, h("summary", {}, stored ? "Use in a notebook" : "Use without copying"),
        h("p", { class: "quiet" }, stored ? "Brings the file to your project and returns its path. Run it in a notebook." : path ? "Reads the file where it is on this machine. Run it in a notebook." : this.state.preview && shown ? (this.state.preview.ranges ? "The server supports range requests, so this reads only the parts it needs." : "The server does not announce range requests, so this may read the whole file.") : "Reads the file where it is; only the parts it needs if the server supports range requests. Run it in a notebook."),
        h("pre", { tabindex: 0, "aria-label": "Lines for a notebook" }, h("code", {}, code))),
      this.further(file, `further-${at}`),
    ];
  }

  /** Do something with a file: at once if nothing stands in the way, else after its conditions are accepted. */
  onTerms(page, at, action, message) {
    const uses = usesOf(page, at);
    if (uses.length === 1 && uses[0].verdict === "yes") this.use(action, message);
    else {
      this.accepting = { record: page.id, file: at, action, message };
      this.draw();
      this.main.querySelector("#ds-terms")?.focus();
    }
  }

  use(action, message) {
    if (action === "preview") this.previewed = { record: message.id, file: message.file };
    this.ask(action, message);
    this.draw();
  }

  /** The conditions of each offer, and a button that is for one of them. */
  terms(uses) {
    const { action, message } = this.accepting;
    const verb = { preview: "Show first rows", bring: "Bring to my project", use: "Use without copying" }[action];
    const fetchable = uses.filter((use) => !use.refusal && use.verdict !== "no");
    return h("section", { class: "ds-box", "aria-labelledby": "ds-terms" },
      h("h5", { id: "ds-terms", tabindex: -1 }, fetchable.length > 1 ? "Choose an offer and read its conditions" : "Read the conditions first"),
      fetchable.map((use) => {
        const form = h("form", { class: "form", "data-draft": `terms-${use.digest}`, onsubmit: (event) => {
          event.preventDefault();
          this.accepting = null;
          this.use(action, { ...message, offer: use.offer, accepted: use.verdict === "ask" ? use.digest : "" });
        } },
          use.offer && h("p", { class: "words ds-text" }, use.offer),
          h("p", {}, state(VERDICTS[use.verdict]), use.conditions.length ? "" : ` ${use.reason}`),
          use.conditions.length > 0 && h("ul", { class: "ds-rules" }, use.conditions.map((condition) => h("li", { class: "ds-text" }, condition))),
          use.verdict === "ask" && h("label", { class: "check" }, h("input", { type: "checkbox", required: true, "data-key": `accept-${use.digest}` }), "I have read this and accept these conditions"),
          h("p", { class: "actions" }, h("button", { type: "submit", class: "button primary", "data-key": `accepted-${use.digest}` }, use.verdict === "ask" ? `Accept and ${verb[0].toLowerCase()}${verb.slice(1)}` : verb)));
        return form;
      }),
      h("p", { class: "actions" }, button("Cancel", () => { this.accepting = null; this.draw(); this.main.querySelector("h2").focus(); }, { "data-key": "terms-cancel" })));
  }

  bringing(page, file, at, why) {
    const projects = this.state.me.projects;
    if (!file.download_url) return null;
    if (!projects.length) return h("span", { class: "quiet" }, "Join a project to bring the file to its storage.");
    const choice = chosenProject(projects, this.destinations[`${page.id}-${at}`] ??= projects[0].slug);
    const which = h("select", { "aria-label": "Project", "data-key": `project-${at}`, onchange: () => { this.destinations[`${page.id}-${at}`] = which.value; } },
      choice.options.map(([slug, words]) => h("option", { value: slug }, words)));
    which.value = choice.slug;
    return h("span", { class: "with-button ds-bring" }, choice.options.length > 1 && which,
      button("Bring to my project", () => {
        this.destinations[`${page.id}-${at}`] = which.value;
        if (which.value) this.onTerms(page, at, "bring", { record_id: page.id, file: at, project: which.value });
        else which.focus();
      },
        { class: "button small primary", "data-key": `bring-${at}`, ...why }));
  }

  preview() {
    const { preview, trouble, failed } = this.state;
    if (trouble && failed === "preview") return notice("warn", `${trouble.message} ${trouble.hint || ""}`);
    if (!preview) return skeleton("Fetching the first rows");
    return h("div", { class: "ds-scroll", tabindex: 0, role: "region", "aria-label": "First rows" },
      h("table", {}, h("caption", {}, preview.note && `${preview.note} `, preview.complete ? `All ${preview.rows.length} rows` : `First ${preview.rows.length} rows; ${size(preview.bytes_read)} were read`),
        h("thead", {}, h("tr", {}, preview.columns.map((name, at) => h("th", { scope: "col" }, name, h("br"), h("span", { class: "quiet" }, preview.types[at] || ""))))),
        h("tbody", {}, preview.rows.map((row) => h("tr", {}, row.map((value) => h("td", {}, value)))))));
  }

  provenance(page) {
    const { record } = page;
    return facts({
      "Publisher": who(record.publisher), "Creator": record.creators.map((creator) => text(creator.name)).filter(Boolean).join(", "),
      "Contact": record.contact.length ? record.contact.map(who) : null, "History": text(record.provenance),
      "Derived from": each(record.origins),
      "Landing page": record.landing_page && link(record.landing_page), "Other addresses": unusable(record), "Record": link(record.uri, record.uri),
      "Catalogue": page.source ? `${page.source}, read ${moment(page.harvested)}` : `published by the project ${page.project}`,
      "Area": each(record.spatial), "Time": record.temporal.map(([from, to]) => `${from || "…"} – ${to || "…"}`).join(", "),
      "Update frequency": record.frequency.replaceAll("_", " ").toLowerCase(), "Conforms to": each(record.conforms_to),
    });
  }

  further(record, key = "further") {
    const names = Object.keys(record.extra || {});
    if (!names.length) return null;
    return h("details", { "data-key": key }, h("summary", {}, `Further fields of its source (${names.length})`),
      h("dl", { class: "ds-list" }, names.map((name) => [h("dt", {}, h("code", {}, name)), h("dd", {}, h("pre", { tabindex: 0, "aria-label": name }, JSON.stringify(record.extra[name], null, 1)))])));
  }

  // -- saved searches, transfers

  savedView() {
    const { saved } = this.state;
    const head = h("h2", { tabindex: -1 }, "Saved searches");
    if (!saved) return [head, this.coming("Loading saved searches")];
    if (!saved.length) return [head, h("section", { class: "card empty" }, h("h3", {}, "No saved searches yet"), h("p", {}, "Search, then choose “Save this search”: you get a mail when something new matches."))];
    return [head, h("ul", { class: "ds-hits" }, saved.map((search) => h("li", { class: "card" },
      h("h3", {}, h("a", { href: writeAddress({ ...this.place, ...searchPlace(search.query), view: "search" }), onclick: (event) => {
        event.preventDefault(); this.goToSearch({ ...searchPlace(search.query), view: "search" });
      } }, search.title)),
      h("p", { class: "quiet" }, [search.query.text && `“${search.query.text}”`, ...(search.query.chips || []).map((chip) => this.label(chip)), search.mail ? "a mail when something is new, at most once a day" : "no mail", search.mailed && `last mail ${day(search.mailed)}`].filter(Boolean).join(" · ")),
      h("p", { class: "actions" },
        button(search.mail ? "Stop mail" : "Write me mail", () => this.ask("save", { title: search.title, query: search.query, mail: !search.mail }),
          { "aria-label": `${search.mail ? "Stop mail about" : "Write me mail about"} ${search.title}`, "data-key": `mail-${search.id}` }),
        button("Delete", () => this.ask("forget", { id: search.id }), { "aria-label": `Delete ${search.title}`, "data-key": `forget-${search.id}` })))))];
  }

  transfersView() {
    const { transfers } = this.state;
    const head = h("h2", { tabindex: -1 }, "Transfers");
    if (!transfers) return [head, this.coming("Loading transfers")];
    if (!transfers.length) return [head, h("section", { class: "card empty" }, h("h3", {}, "No transfers yet"), h("p", {}, "Open a record and choose “Bring to my project”: a job of yours copies the file to the project's storage."))];
    return [head, h("ul", { class: "ds-hits" }, transfers.map((transfer) => h("li", { class: "card" }, this.transfer(transfer))))];
  }

  transfer(transfer) {
    const progress = transfer.progress;
    const isUpload = transfer.kind === "upload";
    const [kind, words] = (isUpload ? UPLOADS : TRANSFERS)[transfer.state];
    const file = progress?.path && `${transfer.directory}/${progress.path}`;
    const lab = progress?.notebook && `${this.model.get("hub_url")}user-redirect/lab/tree/projects/${[transfer.project, ...progress.notebook.split("/")].map(encodeURIComponent).join("/")}`;
    return [
      h("h3", {}, transfer.title), h("p", { class: "quiet" }, `${isUpload ? "upload from" : "to"} ${transfer.project} · requested ${moment(transfer.created)}`),
      h("p", { role: "status" }, state([kind, words]), progress && !OVER.includes(transfer.state) ? `  ${size(progress.bytes)}${progress.total ? ` of ${size(progress.total)}` : ""}` : ""),
      progress?.total && transfer.state === "running" ? h("progress", { max: progress.total, value: Math.min(progress.bytes, progress.total), "aria-label": `Copied of ${transfer.title}` }) : null,
      transfer.reason && h("p", {}, transfer.reason),
      file && facts({ "File": h("code", {}, file), "Size": size(progress.bytes),
        "Checksum": progress.sha256 && [h("code", { class: "ds-hash" }, `sha256 ${progress.sha256}`), isUpload ? "" : progress.verified ? " matches the publisher's checksum" : " computed here, not confirmed by a checksum of the publisher"] }),
      actions(
        lab && transfer.state === "done" && h("a", { class: "button small primary", href: lab, "data-key": `open-${transfer.id}` }, "Open in notebook"),
        !OVER.includes(transfer.state) && transfer.state !== "cancelling" && button("Cancel", () => this.ask("cancel", { id: transfer.id }), { class: "button small danger", "data-key": `cancel-${transfer.id}`, "aria-label": `Cancel ${transfer.title}` }),
        OVER.includes(transfer.state) && transfer.state !== "done" && !isUpload && button("Open record", () => this.go({ view: "record", record: transfer.record_id }), { "data-key": `record-${transfer.id}`, "aria-label": `Open record: ${transfer.title}` })),
    ];
  }

  // -- giving back

  publishView() {
    const publications = this.state.publications;
    const projects = this.state.me.projects;
    const head = h("h2", { tabindex: -1 }, "Publish data or a model of a project");
    if (!projects.length) return [head, h("section", { class: "card empty" }, h("p", {}, "Once you are in a project, you can describe its results here for others."))];
    if (!publications) return [head, this.coming("Loading publications")];
    return [head, h("p", {}, "You choose who can find what you describe here: your project, everybody in the factory, or other catalogues too."),
      publications.length > 0 && h("ul", { class: "ds-hits" }, publications.map((publication) => h("li", { class: "card" },
        h("h3", {}, h("a", { href: `#record=${publication.record_id}`, onclick: (event) => { event.preventDefault(); this.go({ view: "record", record: publication.record_id }); } }, publication.form.title)),
        h("p", { class: "quiet" }, `${publication.form.project} · seen by ${{ project: "the project", factory: "the factory", everybody: "everybody" }[publication.form.visibility]} · ${QUALITY[publication.quality.badge][1]}: ${publication.quality.score} of 100`),
        h("p", { class: "actions" },
          button("Change", () => { this.publishing = publication; this.draw(); this.main.querySelector("form[data-draft] [name=title]").focus(); }, { "aria-label": `Change ${publication.form.title}`, "data-key": `change-${publication.slug}` }),
          this.confirmed(`withdraw-${publication.slug}`, "Withdraw", publication.form.title, `Withdraw “${publication.form.title}”? Others can no longer find the record.`, () => this.ask("withdraw", { slug: publication.slug })))))),
      ...this.uploading(projects), this.publishForm(projects)];
  }

  // -- files of a project that are published: a job of the person uploads them

  uploading(projects) {
    const moving = (this.state.transfers || []).filter((transfer) => transfer.kind === "upload" && transfer.person === this.state.me.name).slice(0, 5);
    const form = h("form", { class: "form ds-box", "data-draft": `upload-${this.startedUploads}`, onsubmit: (event) => {
      event.preventDefault();
      this.ask("upload", { project: form.elements.upload_project.value, path: form.elements.path.value.trim() });
    } },
      h("h3", {}, "Upload a file of a project"),
      h("p", { class: "quiet" }, "A job of yours sends the file from the project's directory. Then choose it below. What is not published is deleted here after some time, such as a day; the file in the project stays."),
      choice("upload_project", "Project of the file", Object.fromEntries(projects.map((project) => [project.slug, project.title || project.slug]))),
      entry("path", "Path of the file", { required: true, maxlength: 1000 }, "input", "In the project's directory, such as results/mean.csv."),
      h("p", { class: "actions" }, h("button", { type: "submit", class: "button", "data-key": "upload" }, "Upload file")));
    return [form, moving.length > 0 && h("ul", { class: "ds-hits", "aria-label": "Uploads" }, moving.map((transfer) => h("li", { class: "card" }, this.transfer(transfer))))];
  }

  /** Choices of a publication's file: none, what I have uploaded, and what the publication has already. */
  uploadedFiles() {
    const first = this.publishing?.form.files[0];
    const project = this.publishing?.form.project;
    const uploads = (this.state.uploads || []).filter((upload) => upload.state === "stored" && (!project || upload.project === project));
    return [["", "none"], ...(first?.stored ? [[first.stored, first.name || first.title]] : []),
      ...uploads.filter((upload) => upload.sha256 !== first?.stored).map((upload) => [upload.sha256, `${upload.name} (${size(upload.bytes)}, ${upload.project})`])];
  }

  publishForm(projects) {
    const publication = this.publishing;
    const old = publication?.form;
    const first = old?.files[0];
    const form = h("form", { class: "form ds-box", "data-draft": `publish-${publication?.slug || ""}`, onsubmit: (event) => {
      event.preventDefault();
      const value = (name) => form.elements[name].value.trim();
      const list = (name) => value(name).split(",").map((item) => item.trim()).filter(Boolean);
      const about = { title: value("file_title") || value("title"), format: value("format").toUpperCase() };
      const same = first && value("address") === first.access_url ? first : { download_url: value("address") };
      const unchanged = first?.stored === value("stored") ? first : {};
      const file = value("stored") ? { ...unchanged, ...about, stored: value("stored") } : value("address") && { ...same, ...about, access_url: value("address") };
      this.ask(publication ? "change_publication" : "publish", { slug: publication?.slug, seen: publication?.modified, form: {
        project: old ? old.project : value("project"), kind: value("kind"), title: value("title"), description: value("description"), keywords: list("keywords"),
        themes: value("theme") ? [value("theme"), ...(old?.themes.slice(1) || [])] : [], publisher: value("publisher"), contact: value("contact"), licence: value("licence"),
        visibility: value("visibility"), language: old?.language || language, access: old?.access || "public",
        version: value("version"), origins: list("origins"), trained_on: list("trained_on"), intended_use: value("intended_use"),
        files: [...(file ? [file] : []), ...(old?.files.slice(1) || [])],
      } });
    } },
      h("h3", {}, old ? `Change ${old.title}` : "Describe something new"),
      h("p", { class: "quiet" }, "Title, description, publisher and contact are needed. The rest helps others to find it and to know what they may do."),
      !old && choice("project", "Project", Object.fromEntries(projects.map((project) => [project.slug, project.title || project.slug]))),
      choice("kind", "What it is", { dataset: "Data", model: "A model" }, old?.kind),
      entry("title", "Title", { required: true, minlength: 3, maxlength: 300, value: old?.title }),
      entry("description", "Description", { required: true, minlength: 10, maxlength: 20000 }, "textarea", "", old?.description),
      entry("keywords", "Keywords", { maxlength: 1000, value: old?.keywords.join(", ") }, "input", "Separated by commas."),
      choice("theme", "Sector", THEMES, old?.themes[0]),
      entry("publisher", "Publisher", { required: true, maxlength: 200, value: old?.publisher }, "input", "The organisation that answers for it."),
      entry("contact", "Contact", { required: true, type: "email", maxlength: 200, value: old?.contact }),
      choice("licence", "Licence", old && !(old.licence in LICENCE_CHOICES) ? { [old.licence]: old.licence, ...LICENCE_CHOICES } : LICENCE_CHOICES, old?.licence),
      choice("visibility", "Who may find it", { project: "The project", factory: "Everybody in the factory", everybody: "Everybody, other catalogues too" }, old?.visibility),
      choice("stored", "Uploaded file", {}),
      entry("address", "Address of the file", { type: "url", pattern: "(https?|s3)://.+", maxlength: 2000, value: first?.stored ? "" : first?.access_url }, "input", "Optional, for a file that is elsewhere. An http, https or s3 address."),
      entry("file_title", "Name of the file", { maxlength: 200, value: first?.title }), entry("format", "Format", { maxlength: 40, value: first?.format }, "input", "CSV, PARQUET, JSON …"),
      entry("version", "Version", { maxlength: 40, value: old?.version }), entry("origins", "Derived from", { maxlength: 4000, value: old?.origins.join(", ") }, "input", "Addresses, separated by commas."),
      entry("trained_on", "Trained on", { maxlength: 4000, value: old?.trained_on.join(", ") }, "input", "Of a model: addresses of data, separated by commas."),
      entry("intended_use", "Intended use", { maxlength: 5000 }, "textarea", "Of a model.", old?.intended_use),
      h("p", { class: "actions" }, h("button", { type: "submit", class: "button primary", "data-key": "submit" }, old ? "Save changes" : "Publish record"),
        old && button("Discard changes", () => { this.publishing = null; this.draw(); this.main.querySelector("h2").focus(); })));
    const { stored, project } = form.elements;
    fillChoice(stored, this.uploadedFiles(), first?.stored);
    stored.addEventListener("change", () => {
      const upload = (this.state.uploads || []).find((candidate) => candidate.state === "stored" && candidate.sha256 === stored.value);
      if (upload && project) project.value = upload.project;
    });
    return form;
  }

  /** A button that asks first; the question outlives news that come while it stands. */
  confirmed(key, words, about, question, act) {
    const turn = (asking, focus) => { this.asking = asking; this.draw(); this.main.querySelector(`[data-key="${focus}"]`)?.focus(); };
    if (this.asking !== key) return button(words, () => turn(key, `yes-${key}`), { "aria-label": `${words} ${about}`, "data-key": key });
    return [h("span", { role: "alert" }, question),
      button(`Yes, ${words.toLowerCase()}`, () => { this.asking = null; act(); }, { class: "button small danger", "data-key": `yes-${key}` }),
      button("No", () => turn(null, key), { "data-key": `no-${key}` })];
  }

  // -- sources (admins)

  sourcesView() {
    const { sources } = this.state;
    const head = h("h2", { tabindex: -1 }, "Sources");
    if (!sources) return [head, this.coming("Loading sources")];
    return [head,
      !sources.length && h("section", { class: "card empty" }, h("p", {}, "No catalogue is harvested yet. Add the first source below.")),
      h("ul", { class: "ds-hits" }, sources.map((source) => h("li", { class: "card" }, this.source(source)))),
      this.sourceForm()];
  }

  source(source) {
    const { form, last } = source;
    const running = last?.state === "running";
    const report = last && `${last.pages === 1 ? "1 page" : `${number(last.pages)} pages`}, ${counts(last)}`;
    return [h("h3", {}, form.title),
      h("p", { class: "quiet" }, `${form.name} · ${form.space} · ${PROTOCOLS[form.protocol]} · every ${form.every_hours} h${form.enabled ? "" : " · switched off"}${source.from_settings ? " · from the settings" : ""}`),
      h("p", { class: "ds-address" }, link(form.address)),
      h("p", {}, `${source.records === 1 ? "1 record" : `${number(source.records)} records`}. `, last ? state(RUNS[last.state]) : state(["", "not harvested yet"]),
        last && ` ${moment(last.ended || last.started)}: ${report} ${last.reason}`),
      (running || source.waiting || source.due) && h("p", { class: "quiet" }, running ? "It is being harvested; the numbers are those so far." : source.waiting ? "It waits to be harvested: sources are harvested one after the other." : `Next harvest ${moment(source.due)}.`),
      last && this.refusals(last, `refused-${form.name}`),
      this.reports === form.name && this.state.runs?.length === 0 && h("p", { class: "quiet" }, "It has not been harvested yet, so there are no reports."),
      this.reports === form.name && h("ol", { class: "ds-reports", "aria-label": `Reports of ${form.title}` }, (this.state.runs || []).map((run) => h("li", {},
        `${moment(run.started)}: ${RUNS[run.state][1]}, ${counts(run)} ${run.reason}`,
        this.refusals(run, `refused-${run.id}`)))),
      h("p", { class: "actions" }, button("Harvest now", () => running || source.waiting || this.ask("run_source", { name: form.name }), { "aria-disabled": running || source.waiting ? "true" : null, "aria-label": `Harvest now: ${form.title}`, "data-key": `run-${form.name}` }),
        button("Earlier reports", () => this.showReports(form.name), { "aria-label": `Earlier reports of ${form.title}`, "aria-expanded": String(this.reports === form.name), "data-key": `runs-${form.name}` }),
        !source.from_settings && button("Change", () => { this.editing = form; this.draw(); this.main.querySelector("form[data-draft] [name=title]").focus(); }, { "aria-label": `Change ${form.title}`, "data-key": `edit-${form.name}` }),
        !source.from_settings && this.confirmed(`remove-${form.name}`, "Remove", form.title, `Remove ${form.title} and its ${source.records === 1 ? "1 record" : `${number(source.records)} records`}?`, () => this.ask("remove_source", { name: form.name })))];
  }

  showReports(name) {
    this.reports = this.reports === name ? null : name;
    this.draw();
    if (this.reports) this.ask("runs", { name });
  }

  refusals(run, key) {
    const listed = (lines) => h("ul", { class: "ds-reports" }, lines.map((no) => h("li", {}, `${no.page}${no.line ? `, line ${number(no.line)}` : ""}: ${no.reason}`)));
    const refused = run.refusals.filter((no) => !no.note), notes = run.refusals.filter((no) => no.note);
    return [refused.length > 0 && h("details", { "data-key": key }, h("summary", {}, `Refused (${number(run.refused)})`), listed(refused),
        run.refused > refused.length && h("p", { class: "quiet" }, `The first ${number(refused.length)} are listed.`)),
      notes.length > 0 && h("details", { "data-key": `${key}-notes` }, h("summary", {}, `Left out of what was read (${number(notes.length)})`), listed(notes))];
  }

  sourceForm() {
    const old = this.editing;
    const form = h("form", { class: "form ds-box", "data-draft": `source-${old?.name || ""}`, onsubmit: (event) => {
      event.preventDefault();
      const value = (name) => form.elements[name].value.trim();
      this.ask("put_source", { form: {
        name: old ? old.name : value("name"), title: value("title"), space: value("space"), protocol: value("protocol"), address: value("address"),
        files: value("files"), every_hours: Number(value("every_hours")), timeout_seconds: Number(value("timeout_seconds")), max_pages: Number(value("max_pages")),
        max_records: Number(value("max_records")), max_page_bytes: Math.round(Number(value("page_mb")) * 2 ** 20),
        visibility: value("visibility"), enabled: form.elements.enabled.checked,
      } });
    } },
      h("h3", {}, old ? `Change ${old.title}` : "Add a source"),
      !old && entry("name", "Short name", { required: true, pattern: "[a-z][a-z0-9\\-]{0,39}" }, "input", "Lowercase letters, digits and hyphens."),
      entry("title", "Title", { required: true, maxlength: 120, value: old?.title }), entry("space", "Data space", { required: true, maxlength: 60, value: old?.space }),
      choice("protocol", "Protocol", PROTOCOLS, old?.protocol),
      entry("address", "Address", { required: true, maxlength: 1000, value: old?.address }, "input", "http(s), or a path in a folder of the settings."),
      entry("files", "Folder of its files", { maxlength: 1000, value: old?.files }, "input", "Optional, for a catalogue on this machine whose files come with it: a path in a folder of the settings."),
      entry("every_hours", "Hours between harvests", { type: "number", min: 0.25, max: 2160, step: 0.25, value: old?.every_hours ?? 24 }),
      choice("visibility", "Who may find it", { factory: "Everybody in the factory", everybody: "Everybody" }, old?.visibility),
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "enabled", checked: old?.enabled ?? true }), "Harvest regularly"),
      h("details", { "data-key": "limits" }, h("summary", {}, "Limits"),
        entry("timeout_seconds", "Seconds to wait for a page", { type: "number", min: 1, max: 3600, value: old?.timeout_seconds ?? 60 }),
        entry("max_pages", "Most pages", { type: "number", min: 1, max: 1000000, value: old?.max_pages ?? 10000 }),
        entry("max_records", "Most records", { type: "number", min: 1, max: 5000000, value: old?.max_records ?? 1000000 }),
        entry("page_mb", "Largest page in MiB", { type: "number", min: 1, max: 2048, step: "any", value: old ? old.max_page_bytes / 2 ** 20 : 256 })),
      h("p", { class: "actions" }, h("button", { type: "submit", class: "button primary", "data-key": "submit" }, old ? "Save changes" : "Add source"),
        old && button("Discard changes", () => { this.editing = null; this.draw(); this.main.querySelector("h2").focus(); })));
    return form;
  }
}

/** What may be done with a file under each offer; of an older API the record's answer. */
const usesOf = (page, at) => page.uses?.[at] || [{ offer: "", conditions: [], digest: "", refusal: "", ...page.usable }];

/** "You may" only where the rule is about the reader; a named party's permission is nobody else's. */
const ruleName = ({ rule, text: words }) => rule === "not-understood" || words.startsWith("You ") ? RULES[rule] : ["", rule === "other-asset" ? RULES[rule][1] : "About a named party"];

const accessName = (record) => record.access === "not-stated" && record.rights_in_words.length ? "stated in words: read it" : ACCESS[record.access];

export const searchPlace = (query) => ({
  text: query.text || "", chips: query.chips || [], from: query.updated_from || "", to: query.updated_to || "",
  sort: query.sort || "relevance", page: 1,
});

/** The entries of a choice of projects, and which is chosen: by its name, and none when that project is gone. */
export function chosenProject(projects, chosen) {
  const options = projects.map((project) => [project.slug, project.title || project.slug]);
  if (projects.some((project) => project.slug === chosen)) return { options, slug: chosen };
  return { options: [["", "Choose a project"], ...options], slug: "" };
}

function who(agent) {
  const name = text(agent.name) || agent.email || agent.uri;
  const mail = /^[^@\s<>"?&]+@[^@\s<>"?&]+$/.test(agent.email || "") && h("a", { href: `mailto:${agent.email}` }, agent.email);
  return h("span", {}, agent.homepage ? link(agent.homepage, name) : name || "not stated", mail && mail.textContent !== name ? [" ", mail] : "");
}

const each = (addresses) => addresses.length ? h("ul", {}, addresses.map((address) => h("li", {}, link(address)))) : null;

/** A row of buttons, if there are any. */
function actions(...buttons) {
  const there = buttons.filter(Boolean);
  return there.length ? h("p", { class: "actions" }, there) : null;
}

/** Addresses that cannot be opened, as the source states them. */
function unusable(thing) {
  const addresses = thing.unusable_addresses || [];
  return addresses.length ? addresses.map((address) => h("p", { class: "ds-address" }, h("code", {}, address), " is not a usable address. Ask the contact how to get the data.")) : null;
}

/** What a harvest read, and what became of it. */
function counts(run) {
  return `${number(run.read)} read: ${number(run.new)} new, ${number(run.changed)} changed, ${number(run.same)} the same, ${number(run.refused)} refused, ${number(run.listed_only)} only listed. ${number(run.removed)} removed.`;
}

function facts(pairs) {
  return h("dl", { class: "ds-list" }, Object.entries(pairs).filter(([, value]) => value && (!Array.isArray(value) || value.length)).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

let forms = 0;

function entry(name, words, options = {}, tag = "input", hint = "", inside = "") {
  const id = `ds-${name}-${(forms += 1)}`;
  return h("p", { class: "field" }, h("label", { for: id }, words), h(tag, { id, name, type: tag === "input" ? "text" : null, "aria-describedby": hint && `${id}-hint`, ...options }, inside), hint && h("span", { class: "hint", id: `${id}-hint` }, hint));
}

function choice(name, words, choices, chosen) {
  const id = `ds-${name}-${(forms += 1)}`;
  return h("p", { class: "field" }, h("label", { for: id }, words), h("select", { id, name }, Object.entries(choices).map(([value, label]) => h("option", { value, selected: value === chosen }, label))));
}

/** Puts choices into a select; what is chosen stays chosen while it is among them. */
function fillChoice(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, words]) => h("option", { value }, words)));
  select.value = options.some(([value]) => value === chosen) ? chosen : "";
}

export default {
  render({ model, el }) {
    const page = new Page(model, el);
    let before = page.state;
    const news = () => { const last = before; before = page.state; page.signIn(); if (page.signedIn) page.news(last); };
    const arrive = () => page.arrive();
    model.on("change:page_state", news);
    if (page.keepsAddress) for (const event of ["popstate", "hashchange"]) addEventListener(event, arrive);
    return () => {
      model.off("change:page_state", news);
      for (const event of ["popstate", "hashchange"]) removeEventListener(event, arrive);
    };
  },
};
