// What both pages share: asking the routes, logging in, saying what is wrong, small words.

export const $ = (id) => document.getElementById(id);

/** An answer that is no success; `status` 0 where there was none at all. */
export class Problem extends Error {
  constructor(status, line, hint, waitS) {
    super(line);
    Object.assign(this, { status, hint, waitS });
  }
  get whole() {
    return this.hint ? `${this.message}. ${this.hint}` : this.message;
  }
}

/** Ask a route. Returns the answer; throws Problem. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Problem(0, "The service does not answer");
  }
  if (answer.ok || answer.status === 304) return answer;
  const body = await answer.json().catch(() => ({}));
  const line = body.detail || body.title || `The service answered ${answer.status}`;
  const waitS = Number(answer.headers.get("Retry-After")) || 5;
  throw new Problem(answer.status, body.key && !line.startsWith(body.key) ? `${body.key}: ${line}` : line, body.hint, waitS);
}

export const read = async (path) => (await ask(path)).json();
export const post = async (path, body, type) =>
  (await ask(path, { method: "POST", body, headers: type ? { "Content-Type": type } : {} })).json();

/** Make an element: its class, its text or its children. */
export function el(tag, kind = "", ...inside) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...inside.filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export function link(href, text) {
  const made = el("a", "", text);
  made.href = href;
  return made;
}

// --- numbers and words

/** Write a number with three digits that count, as 0.00137 or 3.2e-6. */
export function digits(value, n = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(n - 1).replace("e+", "e");
  return String(Number(value.toPrecision(n)));
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) || UNITS[3];
  const rest = UNITS[UNITS.findIndex(([name]) => name === unit) + 1];
  const whole = Math.floor(seconds / size);
  const more = rest && whole < 10 ? Math.floor((seconds % size) / rest[1]) : 0;
  return `${whole} ${unit}${more ? ` ${more} ${rest[0]}` : ""}`;
}

export function ago(time) {
  const passed = Date.now() / 1000 - time;
  return passed < 45 ? "just now" : `${span(passed)} ago`;
}

export const strengthName = (name) => (name === "alpha" ? "α" : name.replaceAll("_", " "));
export const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
export const stateWord = (study) => (study.stopping ? "stopping" : study.state);
export const isOver = (state) => ["done", "failed", "cancelled"].includes(state);

export function badge(study) {
  const word = stateWord(study);
  return el("span", `badge ${word}`, word);
}

/** Show a progress: a share, and the words for those who do not see the bar. */
export function fill(bar, share, words) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  bar.firstElementChild.style.width = `${percent}%`;
  bar.setAttribute("aria-valuenow", percent);
  bar.setAttribute("aria-valuetext", words);
}

// --- what is wrong

/** Say in a strip above the page what is wrong with the connection; "" takes it away. */
export function banner(text) {
  const strip = $("banner");
  if (strip.firstElementChild.textContent !== text) strip.firstElementChild.textContent = text;
  strip.hidden = !text;
}

export function tell(text) {
  $("live").textContent = text;
}

/** Do something now and every few seconds while the page is looked at; later where it fails. */
export function repeat(task, everyMs) {
  let timer = 0;
  let failed = 0;
  let over = false;
  async function turn() {
    clearTimeout(timer);
    if (over) return;
    let wait = everyMs;
    try {
      await task();
      if (failed) banner("");
      failed = 0;
    } catch (problem) {
      failed += 1;
      wait = trouble(problem, failed);
    }
    if (wait && !over) timer = setTimeout(() => (document.hidden ? null : turn()), wait);
  }
  document.addEventListener("visibilitychange", () => document.hidden || turn());
  window.addEventListener("online", turn);
  turn.end = () => {
    over = true;
    clearTimeout(timer);
  };
  setTimeout(turn, 0);
  return turn;
}

/** Say what went wrong; return after how many ms to try again, 0 for never. */
function trouble(problem, failed) {
  if (!(problem instanceof Problem)) throw problem;
  if (problem.status === 401) {
    gate();
    return 0;
  }
  if (problem.status === 429) {
    banner(`Too many requests: the page goes on in ${problem.waitS} s.`);
    return 1000 * problem.waitS;
  }
  if (problem.status === 0 || problem.status >= 500) {
    banner("The service does not answer. Studies go on; the page tries again by itself.");
    return Math.min(30000, 1000 * 2 ** Math.min(failed, 5));
  }
  banner(problem.whole);
  return problem.status === 404 ? 0 : 15000;
}

// --- who one is

/** Ask for a token in the place of the page; the service turns it into a cookie. */
export function gate(why = "") {
  for (const id of ["studies", "study", "wait"]) if ($(id)) $(id).hidden = true;
  const place = $("gate");
  if (!place.hidden && !why) return;
  banner("");
  const form = el("form");
  const token = el("input", "mono");
  Object.assign(token, { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: false, placeholder: "swp_…" });
  token.setAttribute("aria-describedby", "token-says");
  const name = el("label", "", "Token");
  name.htmlFor = "token";
  const says = el("p", "says bad", why);
  Object.assign(says, { id: "token-says", hidden: !why });
  says.setAttribute("role", "alert");
  const enter = el("button", "first", "Log in");
  form.append(name, token, el("div", "row", enter));
  const hint = el("p", "muted", "Paste the token that you were given. Whoever runs the service makes one with ", el("code", "", "sweep serve token add NAME"), ".");
  place.replaceChildren(el("h2", "", "Log in"), hint, form, says);
  place.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    enter.disabled = true;
    try {
      await post("/v1/session", JSON.stringify({ token: token.value }), "application/json");
      location.reload();
    } catch (problem) {
      says.textContent = problem.status === 401 ? "This token is unknown, has expired or was revoked" : problem.whole;
      says.hidden = enter.disabled = false;
      token.select();
    }
  });
  token.focus();
}

/** Begin the page with who one is; or ask for a token, and try again where nobody answers. */
export function begin(page) {
  const stop = repeat(async () => {
    const me = await whoAmI();
    if (me) await page(me);
    stop.end();
  }, 3000);
}

async function whoAmI() {
  try {
    const me = await read("/v1/me");
    $("user").textContent = me.user === "local" ? me.project : `${me.user} · ${me.project} · ${me.role}`;
    $("log-out").hidden = me.user === "local";
    $("log-out").addEventListener("click", async () => {
      await ask("/v1/session", { method: "DELETE" }).catch(() => null);
      location.assign("/");
    });
    return me;
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    gate();
    return null;
  }
}

// --- events

/** Follow a study's events; connects again by itself. Returns a function that ends it. */
export function follow(name, hear, lost = () => null) {
  const source = new EventSource(`/v1/studies/${encodeURIComponent(name)}/events`);
  for (const kind of ["state", "progress", "trial", "log", "end"]) {
    source.addEventListener(kind, (event) => hear(kind, JSON.parse(event.data)));
  }
  source.addEventListener("error", () => lost(source.readyState === EventSource.CLOSED));
  source.addEventListener("open", () => lost(null));
  window.addEventListener("pagehide", () => source.close());
  return () => source.close();
}
