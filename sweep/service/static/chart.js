// Curves as SVG, drawn by hand: validation loss over the strength on a log scale, loss by epoch.

const NS = "http://www.w3.org/2000/svg";
const MANY = 60; // points that would hide each other
const UP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function shape(tag, kind, numbers = {}, text = "") {
  const made = document.createElementNS(NS, tag);
  if (kind) made.setAttribute("class", kind);
  for (const [name, value] of Object.entries(numbers)) {
    made.setAttribute(name, typeof value === "number" ? Math.round(value * 10) / 10 : value);
  }
  if (text) made.textContent = text;
  return made;
}

function titled(made, text) {
  made.append(shape("title", "", {}, text));
  return made;
}

const power = (n) => `10${[...String(n)].map((digit) => UP[digit]).join("")}`;
const short = (value) => String(Number(value.toPrecision(3)));

/** Return round numbers between two values. */
export function steps(low, high, most = 5) {
  const rough = (high - low) / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * size).find((each) => each >= rough) || 10 * size;
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9 * step; i += 1) found.push(i * step);
  return found;
}

/** Return the ends of the value axis: a few huge losses do not flatten the rest, `shown` is inside. */
export function ends(values, spreads, shown = []) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return [0, 1];
  const low = Math.min(...sorted) - Math.max(0, ...spreads.slice(0, 3));
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  const far = sorted[0] + 5 * (middle - sorted[0]);
  const top = Math.max(middle, ...shown, Math.min(sorted[sorted.length - 1], far));
  const pad = (top - low || Math.abs(top) || 1) * 0.09;
  return [low - pad, top + pad];
}

function frame(place, height, margin, name) {
  const width = Math.max(260, place.clientWidth || 600);
  const svg = shape("svg", "", { viewBox: `0 0 ${width} ${height}`, width, height });
  if (name) svg.setAttribute("aria-hidden", "true");
  const box = { left: margin[3], right: width - margin[1], top: margin[0], bottom: height - margin[2] };
  place.replaceChildren(svg);
  return { svg, box, width };
}

function valueAxis({ svg, box }, y, low, high) {
  for (const value of steps(low, high, 7)) {
    svg.append(shape("line", "tick", { x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    svg.append(shape("text", "word", { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
}

/**
 * Draw value over strength.
 *
 * @param place the element that gets the picture, as wide as it is.
 * @param told {strength, points: [{at, value, se}], training: [{at}], none: {value, se}, best: {at},
 *   span: [low, high], metric, maximizes}; all but strength and points may be null.
 * @param small without axes' words, for a list.
 * @returns how many points lie outside the picture, far worse, as triangles at its edge.
 */
export function drawCurve(place, told, small = false) {
  const points = told.points.filter((p) => p.at > 0 && Number.isFinite(p.value)).sort((a, b) => a.at - b.at);
  const under = (told.training || []).map((one) => one.at);
  const strengths = [...points.map((p) => p.at), ...under, ...(told.span || [])].filter((at) => at > 0);
  if (!strengths.length) strengths.push(1e-6, 1e-1);
  const height = small ? 116 : 348;
  const { svg, box } = frame(place, height, small ? [8, 8, 20, 8] : [22, 14, 46, 56], true);
  let [first, last] = [Math.log10(Math.min(...strengths)), Math.log10(Math.max(...strengths))];
  if (last - first < 0.5) [first, last] = [first - 0.5, last + 0.5];
  [first, last] = [first - 0.03 * (last - first), last + 0.03 * (last - first)];
  const none = told.none;
  const weakest = none ? [none.value] : points.slice(0, 1).map((p) => p.value); // hardly a penalty
  const sign = told.maximizes ? -1 : 1; // times it, less is better
  const cost = (value) => sign * value;
  const costs = ends([...points.map((p) => p.value), ...(none ? [none.value] : [])].map(cost), points.map((p) => p.se || 0), weakest.map(cost));
  const [low, high] = costs.map(cost).sort((a, b) => a - b);
  const isOutside = (value) => cost(value) > costs[1];
  const x = (at) => box.left + ((Math.log10(at) - first) / (last - first)) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
  const inside = (value) => Math.min(box.bottom, Math.max(box.top, y(value)));

  if (!small && points.length) valueAxis({ svg, box }, y, low, high);
  const every = Math.ceil((last - first) / (small ? 4 : 9));
  for (let n = Math.ceil(first); n <= last; n += every) {
    if (!small) svg.append(shape("line", "tick", { x1: x(10 ** n), x2: x(10 ** n), y1: box.bottom, y2: box.bottom + 5 }));
    svg.append(shape("text", "word", { x: x(10 ** n), y: box.bottom + (small ? 16 : 21), "text-anchor": "middle" }, power(n)));
  }
  svg.append(shape("line", "axis", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  const above = []; // what lies over the points
  if (none && !isOutside(none.value)) {
    if (none.se && !small) {
      const [from, to] = [inside(none.value + none.se), inside(none.value - none.se)];
      svg.append(shape("rect", "band", { x: box.left, y: from, width: box.right - box.left, height: to - from }));
    }
    svg.append(shape("line", "none", { x1: box.left, x2: box.right, y1: y(none.value), y2: y(none.value) }));
    const left = told.best && x(told.best.at) > box.left + 0.8 * (box.right - box.left);
    const place = { x: left ? box.left + 6 : box.right, y: y(none.value) - 6, "text-anchor": left ? "start" : "end" };
    if (!small) above.push(shape("text", "word halo", place, "no penalty"));
  }
  for (const at of under) svg.append(shape("line", "at", { x1: x(at), x2: x(at), y1: box.bottom - 7, y2: box.bottom }));
  const seen = points.map((p) => `${Math.round(x(p.at) * 10) / 10},${Math.round(inside(p.value) * 10) / 10}`);
  if (seen.length > 1) svg.append(shape("polyline", "through", { points: seen.join(" ") }));
  const best = told.best && told.best.at > 0 ? told.best : null;
  if (best && !small) {
    svg.append(shape("line", "best-line", { x1: x(best.at), x2: x(best.at), y1: box.top, y2: box.bottom }));
    const right = x(best.at) < (box.left + box.right) / 2;
    const anchor = right ? "start" : "end";
    svg.append(shape("text", "best-word", { x: x(best.at) + (right ? 6 : -6), y: box.top - 8 + 4, "text-anchor": anchor }, `best ${told.sign} = ${short(best.at)}`));
  }
  const many = points.length > MANY;
  if (many) svg.setAttribute("class", "many");
  for (const p of points) {
    const over = isOutside(p.value);
    if (p.se && !small && !over) {
      svg.append(shape("line", "whisker", { x1: x(p.at), x2: x(p.at), y1: inside(p.value + p.se), y2: inside(p.value - p.se) }));
    }
    const kind = `point${best && p.at === best.at ? " best" : ""}${p.fresh ? " fresh" : ""}`;
    const words = `${told.sign} = ${short(p.at)}: ${short(p.value)}${p.se ? ` ± ${short(p.se)}` : ""}`;
    const [px, py] = [x(p.at), inside(p.value)];
    const made = over
      ? shape("path", kind, { d: `M${px - 4} ${py + 5 * sign}L${px} ${py - 3 * sign}L${px + 4} ${py + 5 * sign}Z` })
      : shape("circle", kind, { cx: px, cy: py, r: small ? 2.6 : many && !kind.includes("best") ? 3 : kind.includes("best") ? 5.5 : 4 });
    if (kind.includes("best")) above.push(titled(made, words));
    else svg.append(titled(made, words));
  }
  svg.append(...above);
  if (!small) {
    svg.append(shape("text", "word", { x: (box.left + box.right) / 2, y: box.bottom + 41, "text-anchor": "middle" }, `${told.sign} (log scale)`));
    svg.append(shape("text", "word", { x: box.left, y: box.top - 8 + 4, "text-anchor": "start" }, best && x(best.at) - box.left < 150 ? "" : told.metric || ""));
  }
  if (!points.length) {
    svg.append(shape("text", "word", { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, "text-anchor": "middle" }, "no trial has ended yet"));
  }
  return points.filter((p) => isOutside(p.value)).length;
}

/** Draw loss by epoch: a line for each of `lines` [{at, epochs, values}]. */
export function drawLearning(place, lines, nEpochs) {
  const { svg, box } = frame(place, 210, [10, 14, 40, 56], true);
  const every = lines.flatMap((line) => line.values).filter(Number.isFinite);
  const [low, high] = ends(every, []);
  const x = (epoch) => box.left + ((epoch - 1) / Math.max(1, nEpochs - 1)) * (box.right - box.left);
  const y = (value) => Math.max(box.top, box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top));
  valueAxis({ svg, box }, y, low, high);
  svg.append(shape("line", "axis", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  for (const epoch of steps(1, nEpochs).filter((one) => one >= 1 && Number.isInteger(one))) {
    svg.append(shape("text", "word", { x: x(epoch), y: box.bottom + 18, "text-anchor": "middle" }, String(epoch)));
  }
  svg.append(shape("text", "word", { x: (box.left + box.right) / 2, y: box.bottom + 36, "text-anchor": "middle" }, "epoch"));
  for (const line of lines) {
    const places = line.values.map((value, i) => `${Math.round(x(line.epochs[i]) * 10) / 10},${Math.round(y(value) * 10) / 10}`);
    if (places.length) svg.append(titled(shape("polyline", "learning", { points: places.join(" ") }), `trial ${line.number}, ${short(line.at)}`));
  }
}

/** Draw again whenever the place gets another width. */
export function whenWide(place, draw) {
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(place.clientWidth - width) > 1) {
      width = place.clientWidth;
      draw();
    }
  }).observe(place);
}
