// Keeps what somebody types on a dashboard in their browser until the API has stored it, and puts it back after a
// reload, a closed tab or a session that has ended. Loaded by the Voila template.
//
// A form is what holds a mark of widgets.typed_text.TypedMark: it names the form, and counts what the API has stored.
// Texts are encrypted with a key that the server gives to their author only, and that their sign-out ends
// (hub/pages/text_key.py). Each tab has its own texts; those of a tab that is gone are taken over by the next one.
(() => {
  "use strict";

  const PREFIX = "atrium-typed ";
  const TAB = "atrium-typed-tab";
  const DEADLINE_MS = 10000;
  const RETRY_MS = 10000;
  const LOCK_MS = 2000;
  const REMOVAL_MS = 1500; // until the rows that stay are on the page again
  const ROW = ".repeated";
  const UNKEPT = ".unkept"; // codes and the like are not text of a form
  const SCOPE = ".typed-scope, .form-card"; // what a button sends, where it does not send the whole form

  const main = document.getElementById("main");
  const canKeep = Boolean(globalThis.crypto?.subtle && navigator.locks);
  const drafts = new Map(); // name of a form -> { at, title, place, rows, fields: { name: { value, base } } }
  const shown = new Map(); // root element -> { form, filled }
  const bases = new WeakMap(); // control -> its value before it was changed
  let key = null;
  let tab = "";
  let stored = null; // what the API had stored when the page was last looked at
  let presses = []; // what buttons sent, each a list of [form, name of a field, value]: the first is being stored
  let isRestoring = false;
  let isStarted = false;
  let lastNotice = "";

  // -- fields of a form

  const rootOf = (element) => {
    for (const root of shown.keys()) if (root.contains(element)) return root;
    return null;
  };

  const controlsOf = (root) =>
    [...root.querySelectorAll(".field :is(input, select, textarea)")].filter((control) => !control.closest(UNKEPT));

  const labelOf = (control) => [...(control.labels ?? [])].map((label) => label.textContent.trim()).find(Boolean) ?? "";

  const valueOf = (control) => (control.type === "checkbox" ? control.checked : control.value);

  /** Name of a control in its form: its label, and its number among those with the same label. */
  function namesOf(root) {
    const counts = new Map();
    const names = new Map();
    for (const control of controlsOf(root)) {
      const label = labelOf(control);
      const count = counts.get(label) ?? 0;
      counts.set(label, count + 1);
      if (label) names.set(`${label}#${count}`, control);
    }
    return names;
  }

  const label = (name) => name.replace(/#\d+$/, "");

  const nameOf = (root, control) => [...namesOf(root)].find(([, other]) => other === control)?.[0];

  // -- the browser's storage

  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));

  async function write(form) {
    if (!key) return;
    const item = `${PREFIX}${tab} ${form}`;
    const draft = drafts.get(form);
    if (!draft) {
      localStorage.removeItem(item);
      return;
    }
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const plain = new TextEncoder().encode(JSON.stringify(draft));
    const data = text(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, plain));
    if (drafts.get(form) !== draft) return; // it was stored, or changed, meanwhile
    try {
      localStorage.setItem(item, JSON.stringify({ iv: text(iv), data }));
    } catch {
      main.dataset.typedKept = "no"; // the browser's storage is full or switched off
    }
  }

  async function read(item) {
    try {
      const { iv, data } = JSON.parse(localStorage.getItem(item));
      const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(iv) }, key, bytes(data));
      return JSON.parse(new TextDecoder().decode(plain));
    } catch {
      localStorage.removeItem(item); // of somebody else, or of before a sign-out: nobody can read it any more
      return null;
    }
  }

  /** Take over the texts of this tab and of tabs that are gone, the latest last. */
  async function readAll() {
    const { held } = await navigator.locks.query();
    const others = new Set(held.map((lock) => lock.name).filter((name) => name !== `${PREFIX}${tab}`));
    const texts = [];
    for (const item of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
      const owner = item.slice(PREFIX.length).split(" ", 1)[0];
      const draft = await read(item);
      const form = item.slice(PREFIX.length + owner.length + 1);
      if (draft && !others.has(`${PREFIX}${owner}`)) texts.push({ item, form, draft });
    }
    texts.sort((first, second) => first.draft.at - second.draft.at);
    for (const { item, form, draft } of texts) {
      const typed = drafts.get(form); // since this page was opened
      drafts.set(form, { ...draft, ...typed, fields: { ...draft.fields, ...typed?.fields } });
      await write(form);
      if (item !== `${PREFIX}${tab} ${form}`) localStorage.removeItem(item);
    }
  }

  /** Name of this tab; a tab that was duplicated gets another one, since the first one goes on. */
  function claimTab() {
    return new Promise((resolve) => {
      const claim = (name, options, otherwise) => navigator.locks
        .request(`${PREFIX}${name}`, options, () => {
          sessionStorage.setItem(TAB, name);
          resolve(name);
          return new Promise(() => {}); // for as long as this page is open
        })
        .catch(otherwise);
      const fresh = () => claim(crypto.randomUUID(), {}, () => resolve(""));
      const known = sessionStorage.getItem(TAB);
      if (known) claim(known, { signal: AbortSignal.timeout(LOCK_MS) }, fresh);
      else fresh();
    });
  }

  /** The key of `person`, whom the page was made for; null while there is none, or somebody else has signed in. */
  async function fetchKey(person) {
    try {
      const address = new URL("../../atrium/text-key", location.href);
      const headers = { "X-XSRFToken": xsrfToken() };
      const response = await fetch(address, { cache: "no-store", headers, signal: AbortSignal.timeout(DEADLINE_MS) });
      if (!response.ok) throw new Error(String(response.status));
      const answer = await response.json();
      if (answer.person !== person) throw new Error("This is the page of somebody else.");
      const raw = bytes(answer.key);
      return await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
    } catch {
      return null;
    }
  }

  async function start(person) {
    if (!canKeep) return;
    tab = await claimTab();
    while (tab && !key) {
      key = await fetchKey(person);
      if (!key) await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    }
    if (!key) return;
    main.dataset.typedKept = "yes";
    await readAll();
    for (const form of drafts.keys()) await write(form);
    for (const root of shown.keys()) restore(root);
    settle();
  }

  // -- what is typed

  function remember(root, control) {
    const mark = markOf(root);
    const name = nameOf(root, control);
    if (!mark || !name) return;
    const form = mark.dataset.typedForm;
    const fields = { ...drafts.get(form)?.fields };
    const base = fields[name]?.base ?? bases.get(control) ?? null;
    if (base !== null && base === valueOf(control)) delete fields[name];
    else fields[name] = { value: valueOf(control), base };
    const { title, place } = mark.dataset;
    replace(form, fields, { title, place, rows: root.querySelectorAll(ROW).length });
  }

  function replace(form, fields, about) {
    if (Object.keys(fields).length) drafts.set(form, { ...drafts.get(form), ...about, at: Date.now(), fields });
    else drafts.delete(form);
    void write(form);
    say();
  }

  const inRows = (root) => [...namesOf(root)].filter(([, control]) => control.closest(ROW));

  /** After a row was removed the others have other numbers; `labels` are those of its fields. */
  function rememberRows(root, labels) {
    const form = shown.get(root)?.form;
    if (!drafts.has(form)) return;
    const others = Object.entries(drafts.get(form).fields).filter(([name]) => !labels.has(label(name)));
    const rows = inRows(root).map(([name, control]) => [name, { value: valueOf(control), base: null }]);
    replace(form, Object.fromEntries([...others, ...rows]), { rows: root.querySelectorAll(ROW).length });
  }

  function changed(event) {
    const root = rootOf(event.target);
    if (isRestoring || !root || !controlsOf(root).includes(event.target)) return;
    remember(root, event.target);
  }

  /** What a press sends to the API: the fields of its part of the form, or of every form that is sent as a whole. */
  function press(event) {
    const button = event.target.closest("button, a");
    if (!button) return;
    const own = rootOf(button);
    if (own && button.closest(ROW)) {
      const labels = new Set(inRows(own).map(([name]) => label(name)));
      setTimeout(() => rememberRows(own, labels), REMOVAL_MS);
    }
    const roots = own ? [own] : [...shown.keys()].filter((root) => markOf(root)?.hasAttribute("data-whole"));
    const sent = roots.flatMap((root) => {
      const { form } = shown.get(root);
      const isWhole = markOf(root)?.hasAttribute("data-whole");
      const scope = isWhole ? root : button.closest(SCOPE);
      return [...namesOf(root)]
        .filter(([name, control]) => scope?.contains(control) && drafts.get(form)?.fields[name])
        .map(([name]) => [form, name, drafts.get(form).fields[name].value]);
    });
    // While an action runs the last press waits for it, and what it sends is not stored yet.
    presses = presses.length && main.querySelector("[data-busy]") ? [presses[0], sent] : [sent];
  }

  /** The API has what a press sent; what was typed since stays. */
  function release() {
    for (const [form, name, value] of presses.shift() ?? []) {
      const fields = { ...drafts.get(form)?.fields };
      if (fields[name]?.value === value) delete fields[name];
      else if (fields[name]) fields[name] = { ...fields[name], base: value };
      replace(form, fields, {});
    }
    for (const root of shown.keys()) for (const control of controlsOf(root)) bases.delete(control);
  }

  // -- putting it back

  function set(control, value) {
    if (control.type === "checkbox") control.checked = value;
    else control.value = value;
    isRestoring = true;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.dispatchEvent(new Event("change", { bubbles: true }));
    isRestoring = false;
  }

  /** Once for each form and each time that its fields are filled; fields that come later are looked for again. */
  function restore(root) {
    const state = shown.get(root);
    const draft = drafts.get(state.form);
    if (!key || !draft) return;
    const missing = draft.rows - root.querySelectorAll(ROW).length;
    if (!state.hasRows) for (let row = 0; row < missing; row += 1) root.querySelector(".adds-row")?.click();
    state.hasRows = true;
    for (const [name, control] of namesOf(root)) {
      const field = draft.fields[name];
      if (!field || state.restored.has(name) || control === document.activeElement) continue;
      const offers = control.tagName === "SELECT" ? [...control.options].map((option) => option.value) : null;
      if (offers && !offers.includes(field.value)) continue;
      state.restored.add(name);
      state.at ??= draft.at;
      if (valueOf(control) === field.value) continue;
      if (field.base !== null && field.base !== valueOf(control)) state.conflicts.add(name);
      set(control, field.value);
      state.returned.add(name);
    }
  }

  // -- what the page says

  const moment = (at) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(at);
  const list = (names) => names.map(label).join(", ");

  function element(tag, words, ...children) {
    const node = document.createElement(tag);
    node.textContent = words;
    node.append(...children);
    return node;
  }

  function discard(forms) {
    for (const form of forms) {
      drafts.delete(form);
      void write(form);
    }
    location.reload(); // the kernel has the texts, too
  }

  function sentences() {
    const visible = new Set([...shown.values()].map((state) => state.form));
    const lines = [];
    for (const state of shown.values()) {
      const draft = drafts.get(state.form);
      const names = [...state.returned].filter((name) => draft?.fields[name]);
      if (!names.length) continue;
      const typed = `You typed this on ${moment(state.at)} and did not save it: ${list(names)}.`;
      lines.push({ form: state.form, words: `${typed} It is in the fields again. Save it to keep it.` });
      const conflicts = names.filter((name) => state.conflicts.has(name));
      const change = `What is saved has changed since then: ${list(conflicts)}.`;
      const choice = "If you save now, your text replaces it. To see what is saved, discard what you typed.";
      if (conflicts.length) lines.push({ words: `${change} ${choice}` });
    }
    for (const [form, draft] of drafts) {
      if (visible.has(form) || !draft.title) continue;
      lines.push({ place: draft.place, title: draft.title, words: `Typed on ${moment(draft.at)} and not saved: ` });
    }
    return lines;
  }

  function say() {
    main.toggleAttribute("data-typed-unsaved", [...shown.values()].some((state) => drafts.has(state.form)));
    const lines = key && shown.size ? sentences() : [];
    const notice = JSON.stringify(lines);
    if (notice === lastNotice) return;
    lastNotice = notice;
    document.getElementById("typed-text")?.remove();
    if (!lines.length) return;
    const box = element("div", "");
    for (const line of lines) {
      const paragraph = element("p", line.words);
      if (line.place !== undefined) {
        const link = element("a", line.title);
        link.href = `#/${line.place}`;
        paragraph.append(link);
      }
      box.append(paragraph);
    }
    const forms = lines.filter((line) => line.form).map((line) => line.form);
    if (forms.length) {
      const button = element("button", "Discard what I typed");
      button.type = "button";
      button.className = "button small";
      button.addEventListener("click", () => discard(forms));
      box.append(element("p", "", button));
    }
    const place = element("div", "", box);
    place.id = "typed-text";
    place.className = "notice warn";
    place.setAttribute("role", "status");
    document.getElementById("dashboard").before(place);
  }

  // -- the page changes

  const markOf = (root) => root.querySelector("[data-typed-form]");

  function settle() {
    const marks = [...main.querySelectorAll("[data-typed-form]")];
    if (!marks.length && !shown.size) return;
    if (!isStarted && marks.length) {
      isStarted = true;
      main.dataset.typedKept = "no";
      void start(marks[0].dataset.person);
    }
    const count = Math.max(stored ?? 0, ...marks.map((mark) => Number(mark.dataset.stored)));
    const hasStored = stored !== null && count > stored;
    stored = count;
    if (hasStored) release();
    for (const root of [...shown.keys()]) if (!root.isConnected || !markOf(root)) shown.delete(root);
    for (const mark of marks) follow(mark, hasStored);
    say();
  }

  function follow(mark, hasStored) {
    const root = mark.closest(".step-form, .form-card");
    if (!root) return;
    const { typedForm: form, filled } = mark.dataset;
    const before = shown.get(root);
    if (before && before.form !== form && hasStored && drafts.has(before.form)) { // what was typed while it was stored
      drafts.set(form, { ...drafts.get(before.form), title: mark.dataset.title, place: mark.dataset.place });
      drafts.delete(before.form);
      void write(before.form);
      void write(form);
    } else if (before && before.form === form && before.filled === filled) {
      restore(root);
      return;
    }
    const [restored, returned, conflicts] = [new Set(), new Set(), new Set()];
    if (before) for (const control of controlsOf(root)) bases.delete(control);
    shown.set(root, { form, filled, hasRows: false, restored, returned, conflicts });
    restore(root);
  }

  main.addEventListener("focusin", (event) => {
    const root = rootOf(event.target);
    const isKnown = !root || !controlsOf(root).includes(event.target) || bases.has(event.target);
    if (!isKnown) bases.set(event.target, valueOf(event.target));
  });
  main.addEventListener("input", changed);
  main.addEventListener("change", changed);
  main.addEventListener("click", press, { capture: true });
  window.addEventListener("beforeunload", (event) => {
    if (main.dataset.typedKept === "no" && main.hasAttribute("data-typed-unsaved")) event.preventDefault();
  });

  let planned = 0;
  new MutationObserver(() => {
    planned ||= requestAnimationFrame(() => {
      planned = 0;
      settle();
    });
  }).observe(main, { childList: true, subtree: true });
})();
