// The page of one study: how far it is, what it has found, its config.

import { drawCurve, drawLearning, whenWide } from "/static/chart.js";
import { $, Problem, ago, ask, banner, begin, digits, el, fill, follow, isOver, link, plural, post, read, repeat, span, strengthName, stateWord, tell } from "/static/shared.js";

const name = decodeURIComponent(location.pathname.split("/")[2] || "");
const base = `/v1/studies/${encodeURIComponent(name)}`;
const EVERY_MS = 20000; // beside the events
const CURVE_MS = 4000; // at the least between two looks at the curve
const LINES = 400;

let study = null;
let curve = null;
let live = null; // ends the stream
let look = () => null;
let me = null;
let curveAt = 0;
let curveTimer = 0;
const log = [];

// --- how it stands

function showState() {
  const word = stateWord(study);
  const state = $("state");
  if (state.textContent && state.textContent !== word) tell(`${name} is ${word}`);
  state.textContent = word;
  state.className = `badge ${word}`;
  const may = me.role !== "read";
  $("cancel").hidden = !may || isOver(study.state) || study.stopping;
  $("resume").hidden = !may || !canResume();
  document.title = `${isOver(study.state) ? word : `${percent()} %`} · ${name} · sweep`;
}

const share = () => (study.state === "done" ? 1 : (study.progress || {}).fraction || 0);
const percent = () => Math.floor(100 * share());
const canResume = () => ["cancelled", "failed"].includes(study.state) || (study.state === "done" && study.ending === "timeout");

function showProgress() {
  const told = study.progress || {};
  const n = told.n_results || 0;
  const words = `${n} of ${plural(study.n_trials, "trial")}`;
  fill($("bar"), share(), words);
  $("bar").className = `bar ${study.state}`;
  const facts = [words];
  if (study.state === "queued" && study.position) facts.push(`place ${study.position} in the queue`);
  if (study.state === "running" && n >= study.n_trials) facts.push("testing the choices on fresh folds");
  else if (!isOver(study.state) && study.eta_s) facts.push(`about ${span(study.eta_s)} to go`);
  if (isOver(study.state) && study.ended) facts.push(`ended ${ago(study.ended)}`);
  if (isOver(study.state) && study.ended && study.begun) facts.push(`took ${span(study.ended - study.begun)}`);
  if (study.attempts > 1) facts.push(`begun ${study.attempts} times`);
  facts.push(`by ${study.owner}`);
  $("facts").replaceChildren(...facts.map((text) => el("span", "", text)));
}

function showWrong() {
  const failed = study.state === "failed";
  const text = failed ? study.message || study.ending || "It has failed; its log says more" : study.state === "waiting" ? `${study.message || "Its run was cut off"}: it goes on by itself` : "";
  $("says").hidden = !text;
  $("says").className = `says ${failed ? "bad" : "warn"}`;
  if ($("says").textContent !== text) $("says").textContent = text;
}

function tile(title, value, more = "") {
  return el("div", "tile", el("dt", "", title), el("dd", "", value, more && el("small", "", more)));
}

function showResult() {
  $("verdict").hidden = !study.verdict;
  $("verdict").textContent = study.verdict || "";
  const best = curve && curve.best;
  $("tiles").hidden = !best;
  $("config").hidden = !best;
  $("config-wait").hidden = Boolean(best);
  if (!best) return;
  const sign = strengthName(curve.strength);
  const tiles = [tile(isOver(study.state) ? `Best ${sign}` : `Best ${sign} so far`, digits(best.at), best.number === null ? "" : `trial ${best.number}`)];
  tiles.push(tile(`Validation ${curve.words}`, digits(best.value, 4), best.se ? `± ${digits(best.se, 2)}` : ""));
  if (curve.none) tiles.push(tile("Without penalty", digits(curve.none.value, 4), curve.none.se ? `± ${digits(curve.none.se, 2)}` : ""));
  if (curve.simple) tiles.push(tile("Within one error (1se)", digits(curve.simple.at), "the strongest that does as well"));
  $("tiles").replaceChildren(...tiles);
  $("code").textContent = snippet();
  showChoices();
}

/** Offer the choices that there are; the study's own is taken unless another is chosen. */
function showChoices() {
  const { best, simple } = curve;
  const select = $("choice");
  const own = select.value || study.spec.selection || "best";
  const words = { best: `best: ${digits(best.at)}`, "1se": simple && `1se, the strongest within one error: ${digits(simple.at)}` };
  select.replaceChildren(...Object.keys(words).filter((key) => words[key]).map((key) => Object.assign(el("option", "", words[key]), { value: key, selected: key === own })));
}

// --- pictures

function showCurve() {
  if (!curve) return;
  const sign = strengthName(curve.strength);
  const above = drawCurve($("curve"), { ...curve, sign, metric: `validation ${curve.words}` });
  const n = curve.points.length;
  const text = n
    ? `${plural(n, "trial")}${curve.points.some((p) => p.se) ? ", each with its standard error over the folds" : ""}.${curve.training.length ? ` Ticks below: ${curve.training.length} in training.` : ""}${above ? ` Triangles: ${above} that ${above === 1 ? "is" : "are"} far worse.` : ""}`
    : "Each trial is a point here once it has ended.";
  $("curve-says").textContent = text;
  const lines = curve.training.filter((one) => one.values.length);
  $("learning-card").hidden = !lines.length;
  if (lines.length) drawLearning($("learning"), lines, curve.n_epochs);
  $("learning-says").textContent = `Mean validation loss by epoch, ${plural(lines.length, "trial")}.`;
  showTrials(sign);
}

function showTrials(sign) {
  const rows = [...curve.points].sort((a, b) => (curve.maximizes ? b.value - a.value : a.value - b.value)).slice(0, 12);
  const head = el("thead", "", el("tr", "", ...["trial", sign, `validation ${curve.words}`, "± SE"].map((text) => Object.assign(el("th", "", text), { scope: "col" }))));
  const body = el("tbody", "", ...rows.map((p) => el("tr", "", ...[String(p.number), digits(p.at), digits(p.value, 5), p.se ? digits(p.se, 2) : "–"].map((text) => el("td", "", text)))));
  $("trials").replaceChildren(head, body);
  $("trials-box").hidden = !rows.length;
}

async function lookAtCurve() {
  curveAt = Date.now();
  curveTimer = 0;
  const known = new Set(curve ? curve.points.map((p) => p.number) : []);
  curve = await read(`${base}/curve`);
  if (known.size) for (const point of curve.points) point.fresh = !known.has(point.number);
  showCurve();
  showResult();
}

/** Look at the curve soon, but not at every event. */
function curveSoon() {
  if (curveTimer) return;
  const wait = Math.max(0, curveAt + CURVE_MS - Date.now());
  curveTimer = setTimeout(() => lookAtCurve().catch(soften), wait);
}

/** An answer that is missing now will be asked for again: say nothing unless one has to log in. */
function soften(problem) {
  if (!(problem instanceof Problem)) throw problem;
  curveTimer = 0;
  if (problem.status === 401 || problem.status === 429) look();
}

// --- the config

function snippet() {
  const file = `${name}.yaml`;
  const lines = ["import sweep, torch", "", "config = sweep.load_config(", `    "${file}")`];
  const { optimizer, norm } = curve;
  const kinds = { sgd: "SGD", adam: "Adam", adamw: "AdamW" };
  const made = `torch.optim.${kinds[optimizer]}`;
  if (!kinds[optimizer]) {
    lines.push("optimizer = config.optimizer(model)");
  } else if (norm === "l2") {
    lines.push(`optimizer = ${made}(`, `    config.param_groups(model), lr=${curve.lr})`);
  } else {
    lines.push(`optimizer = ${made}(`, `    model.parameters(), lr=${curve.lr})`, "config.attach(optimizer, model)");
  }
  return lines.join("\n");
}

async function download(form) {
  const kinds = { yaml: "application/yaml", toml: "application/toml", json: "application/json" };
  try {
    const answer = await ask(`${base}/config?select=${$("choice").value}`, { headers: { Accept: kinds[form] } });
    const to = link(URL.createObjectURL(await answer.blob()), "");
    to.download = `${name}.${form}`;
    document.body.append(to);
    to.click();
    to.remove();
    tell(`${name}.${form} is downloaded`);
    $("copied").textContent = "";
    setTimeout(() => URL.revokeObjectURL(to.href), 10000);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    $("copied").textContent = problem.whole;
  }
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("code").textContent);
    $("copied").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("code"));
    $("copied").textContent = "Selected: copy it with Ctrl-C";
  }
}

// --- what one can do

async function act(deed, button) {
  button.disabled = true;
  try {
    await post(`${base}/${deed}`);
    await lookAtStudy();
    if (deed === "resume") listen();
    $("name").focus();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    $("says").className = "says bad";
    $("says").textContent = problem.whole;
    $("says").hidden = false;
  }
  button.disabled = false;
}

function showLinks() {
  const entries = [
    [`${base}/report`, "Report", "all pictures and tables, as one page"],
    ["/dashboard", "optuna-dashboard", "every trial of the project"],
    [`${base}/trials?format=csv`, "Trials as CSV", "for a spreadsheet"],
  ];
  $("links").replaceChildren(
    ...entries.map(([href, text, about]) => {
      const to = link(href, text);
      if (href.endsWith("report")) Object.assign(to, { target: "_blank", rel: "noopener" });
      return el("li", "", to, el("span", "muted small", ` ${about}`));
    }),
  );
}

// --- what happens

async function lookAtStudy() {
  study = await read(base);
  showState();
  showProgress();
  showWrong();
  showResult();
  if (!$("spec").textContent) $("spec").textContent = asText(study.spec);
}

/** Write plain data so that it reads as a study file does. */
function asText(tree, indent = "") {
  return Object.entries(tree)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => {
      const inner = value && typeof value === "object" && !Array.isArray(value);
      return inner ? `${indent}${key}:\n${asText(value, `${indent}  `)}` : `${indent}${key}: ${Array.isArray(value) ? JSON.stringify(value) : value}`;
    })
    .join("\n");
}

function addLog(line) {
  log.push(line);
  if (log.length > LINES) log.splice(0, log.length - LINES);
  const place = $("log");
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 30;
  place.textContent = log.join("\n");
  if (atEnd) place.scrollTop = place.scrollHeight;
}

async function lookAtLog() {
  const text = await (await ask(`${base}/log?tail=${LINES}`)).text();
  log.splice(0, log.length, ...text.trimEnd().split("\n"));
  $("log").textContent = text.trim() || "Nothing yet.";
  $("log").scrollTop = $("log").scrollHeight;
}

function hear(kind, data) {
  if (kind === "progress") {
    study.progress = data;
    showProgress();
    showState();
    curveSoon();
  }
  if (kind === "trial") curveSoon();
  if (kind === "log" && $("log-box").open) addLog(data.line);
  if (kind === "state" && data.state !== study.state) look();
  if (kind === "end") {
    live();
    live = null;
    look();
    curveSoon();
  }
}

function listen() {
  if (live || isOver(study.state)) return;
  const stream = follow(name, hear, (lost) => {
    if (lost === null) banner("");
    else if (lost) {
      stream();
      live = null;
      look(); // which listens anew
    } else banner("The connection is lost; the page connects again by itself. The study goes on.");
  });
  live = stream;
}

async function refresh() {
  await lookAtStudy();
  $("wait").hidden = true;
  $("study").hidden = false;
  if (!curve || !isOver(study.state)) curveSoon();
  listen();
}

async function first() {
  try {
    await refresh();
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    look.end();
    $("wait").hidden = true;
    $("gate").replaceChildren(el("h2", "", "No such study"), el("p", "muted", `There is no study ${name} in this project, or your token is for another one.`), link("/", "All studies"));
    $("gate").hidden = false;
  }
}

begin((who) => {
  me = who;
  $("name").textContent = name;
  $("name").tabIndex = -1;
  showLinks();
  $("cancel").addEventListener("click", () => act("cancel", $("cancel")));
  $("resume").addEventListener("click", () => act("resume", $("resume")));
  $("copy").addEventListener("click", copy);
  for (const button of document.querySelectorAll("[data-form]")) button.addEventListener("click", () => download(button.dataset.form));
  $("log-box").addEventListener("toggle", () => $("log-box").open && lookAtLog().catch(soften));
  whenWide($("curve"), showCurve);
  look = repeat(() => (study ? refresh() : first()), EVERY_MS);
});
