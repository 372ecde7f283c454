// The start page: the queue, what runs, what has ended; the box for a new study is in new-study.js.

import { drawCurve, whenWide } from "/static/chart.js";
import { openBox } from "/static/new-study.js";
import { $, ago, badge, begin, digits, el, fill, follow, isOver, link, plural, read, repeat, span, strengthName, tell } from "/static/shared.js";

const STREAMS = 3; // a browser opens six connections to a host
const EVERY_MS = 5000;
const FEW = 12;
const cards = new Map(); // of running studies, by name
let outcomes = {};
let ended = "";
let shown = FEW;
let again = () => null; // look anew, now

const pageOf = (name) => `/studies/${encodeURIComponent(name)}`;

function card(study) {
  const place = el("div", "plot");
  const bar = el("div", "bar", el("i"));
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", `Progress of ${study.name}`);
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const facts = el("p", "facts");
  const head = el("h3", "", link(pageOf(study.name), study.name));
  const box = el("article", "study card", head, bar, facts, place);
  const one = { box, head, bar, facts, place, study, points: [], progress: study.progress, end: null };
  whenWide(place, () => draw(one));
  return one;
}

function draw(one) {
  const told = one.progress || {};
  drawCurve(one.place, { sign: strengthName(told.strength || "alpha"), points: one.points, span: told.span, best: told.best, maximizes: told.sign < 0 }, true);
}

function show(one) {
  const { study, progress } = one;
  one.head.replaceChildren(one.head.firstElementChild, badge(study));
  const results = progress ? progress.n_results : 0;
  const words = `${results} of ${plural(study.n_trials, "trial")}`;
  fill(one.bar, progress ? progress.fraction : 0, words);
  const facts = [words, study.begun ? `since ${span(Date.now() / 1000 - study.begun)}` : ""].filter(Boolean).map((text) => el("span", "", text));
  if (progress && progress.best) {
    const name = strengthName(progress.strength || "alpha");
    facts.push(el("span", "", `best trial so far at ${name} = `, el("b", "", digits(progress.best.at))));
  }
  one.facts.replaceChildren(...facts);
}

function hear(one, kind, data) {
  if (kind === "trial") one.points.push({ ...data, fresh: true });
  if (kind === "progress") one.progress = data;
  if (kind === "state") one.study = { ...one.study, state: data.state };
  if (kind === "end") again();
  show(one);
  if (kind === "trial" || kind === "progress") {
    draw(one);
    for (const point of one.points) point.fresh = false;
  }
}

function showRunning(studies) {
  for (const study of studies) {
    let one = cards.get(study.name);
    if (!one) {
      one = card(study);
      cards.set(study.name, one);
      const streams = [...cards.values()].filter((each) => each.end).length;
      if (streams < STREAMS) one.end = follow(study.name, (kind, data) => hear(one, kind, data));
    }
    one.study = study;
    if (!one.end) one.progress = study.progress;
    show(one);
  }
  const names = new Set(studies.map((study) => study.name));
  for (const [name, one] of cards) {
    if (names.has(name)) continue;
    if (one.end) one.end();
    one.box.remove();
    cards.delete(name);
  }
  const boxes = studies.map((study) => cards.get(study.name).box);
  const place = $("running");
  const now = [...place.children];
  if (!boxes.length) {
    place.replaceChildren(el("p", "empty", "Nothing runs at present."));
  } else if (now.length !== boxes.length || boxes.some((box, i) => box !== now[i])) {
    place.replaceChildren(...boxes);
  }
  $("running-count").textContent = studies.length ? String(studies.length) : "";
}

function showQueue(studies) {
  $("queued").hidden = !studies.length;
  $("queue-count").textContent = `${studies.length} waiting`;
  $("queue").replaceChildren(
    ...studies.map((study, i) => {
      const place = el("span", "place", String(i + 1));
      place.setAttribute("aria-label", `Place ${i + 1}`);
      const about = `${plural(study.n_trials, "trial")} · by ${study.owner} · ${ago(study.queued)}`;
      const name = link(pageOf(study.name), study.name);
      name.className = "name";
      return el("li", "", place, name, badge(study), el("span", "muted small", about));
    }),
  );
}

function endedRow(study) {
  const found = outcomes[study.name] || {};
  const name = link(pageOf(study.name), study.name);
  name.className = "name";
  const what = el("div", "what", name, badge(study), el("span", "muted small", study.ended ? ago(study.ended) : ""));
  const row = el("div", "ended", what);
  const [strength] = Object.keys(found.best_params || {}).filter((key) => ["alpha", "weight_decay"].includes(key));
  if (strength && found.best !== null) {
    row.append(el("p", "result", `best ${strengthName(strength)} = `, el("b", "", digits(found.best_params[strength])), el("span", "muted", ` · value ${digits(found.best, 4)}`)));
  }
  if (study.state === "failed") row.append(el("p", "says bad small", study.message || study.ending || "It has failed"));
  else if (found.verdict) row.append(el("p", "tells", found.verdict));
  return el("li", "", row);
}

function showEnded(studies) {
  const few = studies.slice(0, shown);
  const mark = JSON.stringify([few.map((s) => [s.name, s.state, s.ended]), outcomes, Math.floor(Date.now() / 60000)]);
  $("more").hidden = studies.length <= shown;
  $("ended-count").textContent = studies.length ? String(studies.length) : "";
  if (mark === ended) return;
  ended = mark;
  $("ended").replaceChildren(
    ...(few.length ? few.map(endedRow) : [el("li", "empty", "Nothing yet. Drop a table above: the first answer takes a minute or two.")]),
  );
}

let before = "";
async function refresh() {
  const { items } = await read("/v1/studies?limit=500");
  const over = items.filter((study) => isOver(study.state)).sort((a, b) => (b.ended || 0) - (a.ended || 0));
  const running = items.filter((study) => ["running", "starting"].includes(study.state)).sort((a, b) => a.seq - b.seq || a.created - b.created);
  const queue = items.filter((study) => ["queued", "waiting"].includes(study.state)).sort((a, b) => b.priority - a.priority || a.queued - b.queued);
  const mark = over.map((study) => `${study.name} ${study.state} ${study.ended}`).join();
  if (mark !== before) outcomes = over.length ? (await read("/v1/outcomes")).studies : {};
  if (before && mark !== before && over.length) tell(`${over[0].name} is ${over[0].state}`);
  before = mark || "none";
  showRunning(running);
  showQueue(queue);
  showEnded(over);
}

begin((me) => {
  $("studies").hidden = false;
  openBox(me);
  again = repeat(refresh, EVERY_MS);
  $("more").addEventListener("click", () => {
    shown += 50;
    again();
  });
});
