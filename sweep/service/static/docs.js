// The interface as a page: the OpenAPI document, route by route.

import { $, begin, el, read } from "/static/shared.js";

/** Return the last name of a reference, or the kind of a schema, in a few words. */
function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const options = schema.anyOf || schema.oneOf;
  if (options) return options.map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  return schema.type || "";
}

function table(head, rows) {
  const cell = (tag, inside) => el(tag, "", inside);
  const body = rows.map((row) => el("tr", "", ...row.map((one) => cell("td", one))));
  const made = el("table", "left", el("thead", "", el("tr", "", ...head.map((one) => Object.assign(cell("th", one), { scope: "col" })))), el("tbody", "", ...body));
  const scroll = el("div", "scroll", made);
  scroll.tabIndex = 0;
  return scroll;
}

const bodies = (content) => Object.entries(content || {}).map(([media, told]) => `${media}${kind(told.schema) ? `: ${kind(told.schema)}` : ""}`).join("; ");

function route(path, method, told) {
  const head = el("summary", "route", el("code", "", `${method.toUpperCase()} /v1${path}`), el("span", "muted", ` ${told.summary || ""}`));
  const inside = [head, el("p", "", told.description || "")];
  const parameters = (told.parameters || []).map((one) => [el("code", "", one.name), one.in, kind(one.schema), one.description || (one.schema || {}).description || ""]);
  if (parameters.length) inside.push(el("h3", "", "Asked with"), table(["name", "in", "kind", ""], parameters));
  if (told.requestBody) inside.push(el("p", "", el("b", "", "Body: "), bodies(told.requestBody.content)));
  const answers = Object.entries(told.responses).map(([status, one]) => [el("code", "", status), one.description, bodies(one.content)]);
  inside.push(el("h3", "", "Answers"), table(["status", "", "content"], answers));
  return el("details", "", ...inside);
}

begin(async () => {
  const told = await read("/v1/openapi.json");
  $("about").textContent = told.info.description.replaceAll("`", "");
  const byTag = new Map();
  for (const [path, methods] of Object.entries(told.paths)) {
    for (const [method, one] of Object.entries(methods)) {
      const [tag] = one.tags || ["others"];
      byTag.set(tag, [...(byTag.get(tag) || []), route(path, method, one)]);
    }
  }
  $("routes").replaceChildren(...[...byTag].map(([tag, routes]) => el("section", "", el("div", "head", el("h2", "", tag)), el("div", "card", ...routes))));
  $("wait").hidden = true;
  $("study").hidden = false;
});
