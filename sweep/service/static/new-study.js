// The box for a new study: a table becomes a guess that can be changed, a study file a text.

import { $, Problem, ask, el, plural, post, read } from "/static/shared.js";

const MOST_TEXT = 262144;
let me = null;
let draft = null; // {file, guess} of a table

export function openBox(who) {
  me = who;
  if (me.role === "read") {
    $("new").hidden = true;
    return;
  }
  const drop = $("drop");
  $("choose").addEventListener("click", () => $("file").click());
  $("write").addEventListener("click", () => writeFile(""));
  $("file").addEventListener("change", () => {
    take($("file").files[0]);
    $("file").value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    window.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  window.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0], event.dataTransfer.getData("text"));
  });
  window.addEventListener("paste", (event) => {
    if (event.target.closest("input, textarea")) return;
    take(event.clipboardData.files[0], event.clipboardData.getData("text"));
  });
}

function says(text) {
  $("drop-says").textContent = text;
}

function close() {
  $("draft").hidden = true;
  $("drop").hidden = false;
  says("");
  $("choose").focus();
}

function open(...inside) {
  $("draft").replaceChildren(...inside);
  $("draft").hidden = false;
  $("drop").hidden = true;
}

async function take(file, text = "") {
  if (!file) {
    if (text.trim()) writeFile(text);
    return;
  }
  if (/\.ya?ml$/i.test(file.name)) {
    writeFile(file.size > MOST_TEXT ? "" : await file.text());
    return;
  }
  if (!/\.(csv|parquet|npz)$/i.test(file.name)) {
    says(`${file.name} is neither a table (.csv, .parquet, .npz) nor a study file (.yaml)`);
    return;
  }
  const most = me.limits.upload_bytes;
  if (file.size > most) {
    says(`${file.name} has ${Math.round(file.size / 1e6)} MB; the service takes ${Math.round(most / 1e6)} MB`);
    return;
  }
  says(`Sending ${file.name} …`);
  try {
    const name = await upload(file);
    says(`Reading ${file.name} …`);
    await guess(name, "");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    says(problem.whole);
  }
}

// --- a table

/** Send a file; where another one has its name, under a name with a part of its hash. */
async function upload(file) {
  const [, stem, suffix] = file.name.match(/^(.*)(\.\w+)$/);
  const plain = stem.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 80) || "table";
  const put = (name) => ask(`/v1/data/${name}`, { method: "PUT", body: file, headers: { "Content-Type": "application/octet-stream" } });
  const wanted = `${plain}${suffix.toLowerCase()}`;
  try {
    await put(wanted);
    return wanted;
  } catch (problem) {
    if (problem.status !== 409) throw problem;
    const other = `${plain}-${await mark(file)}${suffix.toLowerCase()}`;
    await put(other);
    return other;
  }
}

async function mark(file) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...hash.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function guess(file, target) {
  const query = target ? `?target=${encodeURIComponent(target)}` : "";
  draft = { file, guess: await read(`/v1/data/${file}/guess${query}`) };
  showGuess();
}

function field(name, control, hint) {
  const label = el("label", "", name);
  label.htmlFor = control.id;
  const box = el("div", "", label, control);
  if (hint) {
    const words = el("p", "hint", hint);
    words.id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", words.id);
    box.append(words);
  }
  return box;
}

function input(id, value, more = {}) {
  return Object.assign(el("input"), { id, value, ...more });
}

function choice(id, values, chosen) {
  const made = Object.assign(el("select"), { id });
  for (const value of values) made.append(Object.assign(el("option", "", value), { value, selected: value === chosen }));
  return made;
}

function showGuess() {
  const { guess: told, file } = draft;
  const title = el("h2", "", `A first study for ${file}`);
  title.tabIndex = -1;
  const size = el("p", "muted", `${told.n_rows.toLocaleString("en")} rows, ${plural(told.n_features, "feature")}. Change what is wrong, then start.`);
  const name = input("new-name", told.study.study_name, { required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", maxLength: 200, spellcheck: false, autocomplete: "off" });
  const task = choice("new-task", ["classification", "regression"], told.task);
  const n = input("new-trials", told.study.search.n_trials, { type: "number", min: 1, max: 2000, step: 1, required: true });
  const fields = [];
  if (told.target !== null) {
    const target = choice("new-target", [told.target, ...told.others.filter((other) => other !== told.target)], told.target);
    target.addEventListener("change", () => again(target));
    fields.push(field("Predict", target, told.why_target));
  }
  fields.push(field("As", task, told.why_task), field("Name", name), field("Trials", n, "penalty strengths to try"));
  const start = el("button", "first", "Start");
  const cancel = Object.assign(el("button", "", "Another file"), { type: "button" });
  cancel.addEventListener("click", close);
  const wrong = Object.assign(el("p", "says bad"), { hidden: true });
  wrong.setAttribute("role", "alert");
  const form = el("form", "", el("div", "form", ...fields), ...blocks(told), wrong, el("div", "row", start, cancel));
  start.disabled = Boolean(told.problem);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(JSON.stringify(changed(told, name.value, task.value, Number(n.value))), "application/json", start, wrong);
  });
  const text = el("details", "", el("summary", "", "As a study file"), el("pre", "", told.text));
  text.lastChild.tabIndex = 0;
  const found = el("div", "", el("h3", "", "What was found"), columns(told), remarks(told), text);
  open(title, size, el("div", "two", form, found));
  title.focus();
}

function blocks(told) {
  if (!told.problem) return [];
  return [el("p", "says warn", el("b", "", "It cannot start yet. "), told.problem)];
}

/** Ask for another guess, with the target that was chosen. */
async function again(target) {
  target.disabled = true;
  try {
    await guess(draft.file, target.value);
    $("new-target").focus();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    target.disabled = false;
    const hint = $("new-target-hint");
    hint.textContent = problem.whole;
    hint.className = "says bad small";
  }
}

/** List odd columns, each with a box to tick; those that the study needs are ticked. */
function columns(told) {
  const list = el("ul", "columns");
  for (const [i, entry] of told.columns.entries()) {
    const tick = Object.assign(input(`column-${i}`, "", { type: "checkbox" }), { checked: entry.sure });
    tick.dataset.column = i;
    const label = el("label", "", el("b", "", entry.name), ` ${entry.why}. `, el("span", "muted", does(entry)));
    label.htmlFor = tick.id;
    list.append(el("li", "", tick, label));
  }
  for (const [i, entry] of told.groups.entries()) {
    const tick = Object.assign(input(`group-${i}`, "", { type: "checkbox" }), { checked: entry.sure });
    tick.dataset.group = i;
    tick.addEventListener("change", () => {
      for (const other of document.querySelectorAll("[data-group]")) if (other !== tick) other.checked = false;
    });
    const label = el("label", "", el("b", "", entry.name), `: ${entry.why}. `, el("span", "muted", "Keep its rows together"));
    label.htmlFor = tick.id;
    list.append(el("li", "", tick, label));
  }
  return list.children.length ? list : el("p", "muted", "No odd columns.");
}

function does(entry) {
  if (entry.value === "drop") return "Leave it out";
  return `Read it as ${typeof entry.value === "string" ? entry.value : JSON.stringify(entry.value)}`;
}

function remarks(told) {
  return told.remarks.length ? el("ul", "remarks", ...told.remarks.map((text) => el("li", "", text))) : null;
}

/** Return the study with what was changed in the form. */
function changed(told, name, task, nTrials) {
  const data = { ...told.study.data, task };
  const ticked = (kind, all) => all.filter((_, i) => document.querySelector(`[data-${kind}="${i}"]`).checked);
  const settled = Object.fromEntries(ticked("column", told.columns).map((entry) => [entry.name, entry.value]));
  delete data.columns;
  delete data.groups;
  if (Object.keys(settled).length) data.columns = settled;
  const [group] = ticked("group", told.groups);
  if (group) data.groups = group.name;
  return { ...told.study, study_name: name, data, search: { ...told.study.search, n_trials: nTrials } };
}

// --- a study file

function writeFile(content) {
  const title = el("h2", "", "A study file");
  const text = Object.assign(el("textarea"), { id: "new-text", value: content, spellcheck: false, placeholder: "study_name: my-study\ndata:\n  source: sklearn:digits\n…" });
  const start = el("button", "first", "Start");
  const cancel = Object.assign(el("button", "", "Back"), { type: "button" });
  cancel.addEventListener("click", close);
  const wrong = Object.assign(el("p", "says bad"), { hidden: true });
  wrong.setAttribute("role", "alert");
  const rows = field("YAML, as for sweep run. Tables are named by files that were sent before.", text);
  const form = el("form", "stack", rows, wrong, el("div", "row", start, cancel));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(text.value, "application/yaml", start, wrong);
  });
  open(title, el("p", "hint"), form);
  text.focus();
}

async function submit(body, type, start, wrong) {
  start.disabled = true;
  start.textContent = "Starting …";
  try {
    const { name } = await post("/v1/studies", body, type);
    location.assign(`/studies/${encodeURIComponent(name)}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    wrong.textContent = problem.whole;
    wrong.hidden = false;
    start.disabled = false;
    start.textContent = "Start";
    start.focus();
  }
}
