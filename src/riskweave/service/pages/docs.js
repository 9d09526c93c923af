"use strict";

// Draws /openapi.json: every route with its parameters, bodies and answers. Text is only ever set as text.

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function resolved(api, schema, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 8) return schema;
  if (Array.isArray(schema)) return schema.map((each) => resolved(api, each, depth + 1));
  if (schema.$ref) {
    const path = schema.$ref.replace(/^#\//, "").split("/");
    return resolved(api, path.reduce((at, key) => at[key], api), depth + 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(api, value, depth + 1)]));
}

function parameters(api, operation) {
  const table = element("table");
  const head = element("tr");
  for (const each of ["parameter", "in", "schema", "meaning"]) head.append(element("th", each));
  table.append(head);
  for (const each of operation.parameters) {
    const row = element("tr");
    row.append(element("td", each.name + (each.required ? " *" : "")), element("td", each.in));
    const cell = element("td");
    cell.append(element("code", JSON.stringify(resolved(api, each.schema))));
    row.append(cell, element("td", each.description ?? ""));
    table.append(row);
  }
  return table;
}

function bodies(api, title, content) {
  const made = [];
  for (const [type, each] of Object.entries(content ?? {})) {
    made.push(element("p", `${title}: ${type}`));
    const shown = { ...(each.example !== undefined ? { example: each.example } : {}), schema: resolved(api, each.schema) };
    made.push(element("pre", JSON.stringify(shown, null, 2)));
  }
  return made;
}

function route(api, path, method, operation) {
  const details = element("details");
  const summary = element("summary");
  summary.append(element("span", method.toUpperCase(), { class: "method" }), element("code", path));
  summary.append(` ${operation.summary ?? ""}`);
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (!details.open || details.dataset.drawn) return;
    details.dataset.drawn = "yes";
    if (operation.description) details.append(element("p", operation.description));
    if (operation.parameters?.length) details.append(parameters(api, operation));
    details.append(...bodies(api, "Body", operation.requestBody?.content));
    for (const [status, answer] of Object.entries(operation.responses ?? {})) {
      details.append(element("p", `${status}: ${answer.description ?? ""}`));
      if (status < "300") details.append(...bodies(api, "Answer", answer.content));
    }
  });
  details.dataset.text = `${method} ${path} ${operation.summary ?? ""}`.toLowerCase();
  return details;
}

async function draw() {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = `${api.info.summary} Version ${api.info.version}.`;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const name = operation.tags?.[0] ?? "other";
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(route(api, path, method, operation));
    }
  }
  const routes = document.getElementById("routes");
  routes.replaceChildren();
  for (const [name, all] of groups) routes.append(element("h2", name), ...all);
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const each of routes.querySelectorAll("details")) each.hidden = !each.dataset.text.includes(wanted);
  });
}

draw();
