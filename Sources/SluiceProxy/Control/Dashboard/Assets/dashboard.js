"use strict";
// Draws what /dashboard/events says. Whatever comes from the gateway is set as text, never as markup.

const POINTS_MAX = 900;
const STALE_AFTER = 3000;

let columns = [];
let points = [];
let restarts = [];
let state = null;
let run = null;
let heardAt = 0;
let minutes = 5;

// Formats.
const dash = "–";
const fixed = (x, digits) => x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const count = (x) => x == null ? dash : fixed(x, x !== 0 && Math.abs(x) < 10 && x % 1 !== 0 ? 1 : 0);
const part = (x) => x == null ? dash : fixed(100 * x, x < 1 && x > 0.9 ? 1 : 0) + " %";
const share = (x) => x == null ? dash : fixed(100 * x, 2) + " %";
function span(seconds) {
  if (seconds == null) return dash;
  if (seconds < 0.001) return fixed(seconds * 1e6, 0) + " µs";
  if (seconds < 1) return fixed(seconds * 1e3, seconds < 0.01 ? 1 : 0) + " ms";
  if (seconds < 120) return fixed(seconds, seconds < 10 ? 2 : 0) + " s";
  return seconds < 7200 ? fixed(seconds / 60, 0) + " min" : fixed(seconds / 3600, 0) + " h";
}
// The least round number that is not below: charts end there.
function round(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 10].find((step) => step * unit >= value * 0.999) * unit;
}
const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB");

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
function drawn(name, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const byId = (id) => document.getElementById(id);

// What comes in.
let next = 0;
let trouble = "";
function listen() {
  const source = new EventSource("/dashboard/events");
  source.onmessage = (event) => take(JSON.parse(event.data));
  source.onerror = () => {
    // A browser tries again by itself, but not after a refusal.
    if (source.readyState !== EventSource.CLOSED) return;
    trouble = ": the gateway refuses; do too many watch?";
    setTimeout(listen, 5000);
  };
}
listen();

function take(message) {
  // What an older gateway told may have other columns.
  if (columns.join() !== message.state.columns.join()) points = [];
  columns = message.state.columns;
  if (run !== message.run) {
    if (run !== null && message.points.length > 0) restarts.push(message.points[0][0]);
    // What is older than the new run stays, where clocks agree.
    const first = message.points.length > 0 ? message.points[0][0] : Infinity;
    points = points.filter((point) => point[0] < first);
    next = 0;
  }
  run = message.run;
  state = message.state;
  heardAt = Date.now();
  trouble = "";
  points.push(...message.points.slice(Math.max(0, next - message.first)));
  next = message.first + message.points.length;
  points = points.slice(-POINTS_MAX);
  restarts = restarts.filter((at) => points.length > 0 && at >= points[0][0]);
  draw();
}
setInterval(drawFreshness, 500);

const column = (name) => columns.indexOf(name);
const newest = (name) => points.length > 0 ? points[points.length - 1][column(name)] : null;

function draw() {
  drawFreshness();
  drawHealth();
  drawDiagnosis();
  drawTiles();
  for (const chart of charts) chart.draw();
  drawReplicas();
  drawObjectives();
  drawClasses();
  drawSheds();
  drawDecisions();
}

function drawFreshness() {
  const age = Date.now() - heardAt;
  const isStale = heardAt === 0 || age > STALE_AFTER;
  document.body.classList.toggle("stale", isStale);
  const pill = byId("freshness");
  if (heardAt === 0) {
    pill.textContent = "no data yet" + trouble;
  } else if (isStale) {
    pill.textContent = `no data for ${fixed(age / 1000, 0)} s: this is from ${clock(heardAt / 1000)}` + trouble;
  } else {
    const restarted = restarts.length > 0 ? `, restarted ${clock(restarts[restarts.length - 1])}` : "";
    pill.textContent = "live" + restarted;
  }
  pill.className = "pill " + (isStale ? "bad" : "good");
  if (isStale && heardAt !== 0) document.title = "(no data) Sluice";
}

function drawHealth() {
  byId("version").textContent = state.version;
  const panics = state.pools.filter((pool) => pool.panic).length > 0;
  const [text, mark] = state.draining ? ["draining", "fair"]
    : !state.ready ? ["not ready", "bad"]
      : panics ? ["ready, in panic", "bad"]
        : state.problems.length > 0 ? ["ready, with problems", "fair"] : ["ready", "good"];
  byId("health").textContent = text;
  byId("health").className = "pill " + mark;
  document.title = (mark === "good" ? "" : `(${text}) `) + "Sluice";
  const ordered = state.pools.filter((pool) => pool.mode !== pool.configured_mode)
    .map((pool) => `pool ${pool.pool}: admission is ${pool.mode} by an operator's order, configured: ${pool.configured_mode}`);
  byId("problems").replaceChildren(...state.problems.concat(ordered).map((text) => element("li", {}, text)));
}

// What a reader has opened stays open.
const opened = new Set();
function drawDiagnosis() {
  byId("diagnosis").replaceChildren(...state.diagnosis.map((finding) => {
    const whom = finding.replica === null ? `pool ${finding.pool}` : `${finding.replica}, pool ${finding.pool}`;
    const key = `${finding.cause} ${whom}`;
    const row = element("details", { class: finding.confidence, "data-cause": finding.cause },
      element("summary", {}, element("b", {}, finding.title),
        `${whom} · ${finding.confidence}, for ${span(finding.since_seconds)}` +
          (finding.seen_seconds < 1.5 ? "" : `, last seen ${span(finding.seen_seconds)} ago`)),
      element("p", {}, finding.meaning),
      element("ul", {}, ...finding.evidence.map((evidence) => element("li", {}, evidence.text))),
      element("ol", {}, ...finding.next_steps.map((step) => element("li", {}, step))));
    row.open = opened.has(key);
    row.addEventListener("toggle", () => row.open ? opened.add(key) : opened.delete(key));
    return row;
  }));
}

function drawTiles() {
  const objective = state.objective_seconds;
  const wait = newest("ttft_wait_p99");
  const within = newest("in_objective");
  const refused = newest("refused");
  const failed = newest("failed");
  const room = state.replicas.reduce((sum, row) => sum + row.limit, 0);
  const tiles = [
    ["answered /s", count(newest("served")), ""],
    ["refused /s", count(refused), refused > 0 ? "fair" : ""],
    ["failed /s", count(failed), failed > 0 ? "bad" : ""],
    ["clients left /s", count(newest("abandoned")), ""],
    ["first token p99, with those who got none", span(wait),
      objective != null && wait > objective ? "bad" : objective != null && wait > 0.75 * objective ? "fair" : ""],
    [objective != null ? `within ${span(objective)}` : "within the objective", objective != null ? part(within) : dash,
      within != null && within < 0.99 ? "bad" : ""],
    ["waiting here", count(newest("queue_length")), ""],
    [`at replicas, of ${count(room)}`, count(newest("in_flight")), ""],
    ["tokens /s within objectives", count(newest("goodput_tokens")), ""],
  ];
  byId("tiles").replaceChildren(...tiles.map(([label, value, mark]) =>
    element("div", { class: "tile" }, element("b", { class: mark }, value), element("span", {}, label))));
}

// Charts.
class Chart {
  // lines: [column, label, colour, whether it is an area that stands on the areas before it];
  // format: of values; objective: whether the line is drawn.
  constructor(title, lines, format, hasObjective = false) {
    Object.assign(this, { lines, format, hasObjective, at: null });
    this.svg = drawn("svg", { viewBox: "0 0 600 190", preserveAspectRatio: "none", role: "img" });
    this.svg.append(drawn("title", {}, title));
    this.legend = element("div", { class: "legend" });
    const box = element("div", { class: "chart" }, element("h2", {}, title), this.frame(), this.legend);
    byId("charts").append(box);
    this.svg.addEventListener("pointermove", (event) => {
      const { left, width } = this.svg.getBoundingClientRect();
      this.at = (event.clientX - left) / width;
      this.draw();
    });
    this.svg.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
  }

  // Texts are beside the picture, which is stretched.
  frame() {
    this.top = element("span", { class: "soft" });
    this.from = element("span", {});
    this.until = element("span", {});
    const foot = element("div", { class: "legend" }, this.from, this.until);
    foot.style.justifyContent = "space-between";
    const frame = element("div", {}, this.top, this.svg, foot);
    return frame;
  }

  draw() {
    if (points.length === 0) return;
    const end = points[points.length - 1][0];
    const start = end - 60 * minutes;
    const shown = points.filter((point) => point[0] >= start);
    const objective = this.hasObjective ? state.objective_seconds : null;
    let most = objective ?? 0;
    const curves = this.curves();
    for (const curve of curves) {
      for (const point of shown) most = Math.max(most, curve.value(point) ?? 0);
    }
    const height = 190;
    const scale = round(most);
    const x = (at) => 600 * (at - start) / (60 * minutes);
    const y = (value) => height - 4 - (height - 8) * value / scale;
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(drawn("line", { class: "grid", x1: 0, x2: 600, y1: y(share * scale), y2: y(share * scale) }));
    }
    for (const at of restarts.filter((at) => at >= start)) {
      parts.push(drawn("line", { class: "restart", x1: x(at), x2: x(at), y1: 0, y2: height }));
    }
    if (objective != null) {
      parts.push(drawn("line", { class: "objective", x1: 0, x2: 600, y1: y(objective), y2: y(objective) }));
    }
    // The highest area first: those below are drawn over it.
    for (const curve of curves.filter((curve) => curve.isArea).reverse()) {
      parts.push(drawn("path", { class: `area s-${curve.colour}`, d: this.area(shown, curve.value, x, y) }));
    }
    for (const curve of curves.filter((curve) => !curve.isArea)) {
      parts.push(drawn("path", { class: "s-" + curve.colour, d: this.path(shown, curve.value, x, y) }));
    }
    const focus = this.at === null ? null : start + this.at * 60 * minutes;
    const point = focus === null ? shown[shown.length - 1]
      : shown.reduce((best, other) => Math.abs(other[0] - focus) < Math.abs(best[0] - focus) ? other : best);
    if (focus !== null) {
      parts.push(drawn("line", { class: "cursor", x1: x(point[0]), x2: x(point[0]), y1: 0, y2: height }));
    }
    this.svg.replaceChildren(this.svg.firstChild, ...parts);
    this.top.textContent = this.format(most > 0 ? scale : 0);
    this.from.textContent = clock(start);
    this.until.textContent = focus === null ? clock(end) : "at " + clock(point[0]);
    const items = this.lines.map(([name, label, colour]) =>
      element("span", {}, element("i", { class: "s-" + colour }), `${label} ${this.format(point[column(name)])}`));
    if (objective != null) items.push(element("span", { class: "bad" }, `objective ${this.format(objective)}`));
    this.legend.replaceChildren(...items);
  }

  // What is drawn of each line: an area ends where those below it and its own value end.
  curves() {
    let below = [];
    return this.lines.map(([name, , colour, isArea]) => {
      const own = column(name);
      if (!isArea) return { colour, value: (point) => point[own] };
      const all = below = below.concat(own);
      const value = (point) => point[own] == null ? null : all.reduce((sum, index) => sum + (point[index] ?? 0), 0);
      return { colour, isArea, value };
    });
  }

  area(shown, value, x, y) {
    const measured = (point) => value(point) != null;
    const runs = [];
    for (const [index, point] of shown.entries()) {
      if (!measured(point)) continue;
      const before = shown[index - 1];
      if (before === undefined || !measured(before) || point[0] - before[0] > 3) runs.push([]);
      runs[runs.length - 1].push(`${x(point[0]).toFixed(1)} ${y(value(point)).toFixed(1)}`);
    }
    const foot = y(0).toFixed(1);
    const at = (corner) => corner.split(" ")[0];
    return runs.map((run) => `M${at(run[0])} ${foot}L${run.join("L")}L${at(run[run.length - 1])} ${foot}Z`).join("");
  }

  // Nothing is drawn where nothing was measured, nor over a pause.
  path(shown, valueOf, x, y) {
    let text = "";
    let last = null;
    for (const point of shown) {
      const value = valueOf(point);
      if (value == null) { last = null; continue; }
      const isNew = last === null || point[0] - last > 3;
      text += `${isNew ? "M" : "L"}${x(point[0]).toFixed(1)} ${y(value).toFixed(1)}`;
      // A lonely point is a dot.
      if (isNew) text += "h.1";
      last = point[0];
    }
    return text;
  }
}

const charts = [
  new Chart("Requests per second", [
    ["served", "answered", "good"], ["refused", "refused", "fair"], ["failed", "failed", "bad"],
    ["abandoned", "left", "three"]], count),
  new Chart("Time to first token", [
    ["ttft_p50", "p50", "one"], ["ttft_p99", "p99", "two"], ["ttft_wait_p99", "p99 with those who got none", "three"]], span, true),
  new Chart("Time in queues", [
    ["queue_mean", "mean here", "one", true], ["engine_queue_mean", "mean in the engines", "three", true],
    ["queue_wait_p99", "p99 here", "two"]], span),
  new Chart("Gap between tokens, p99", [["itl_p99", "p99", "two"]], span),
  new Chart("Waiting and in flight", [
    ["queue_length", "waiting here", "two"], ["in_flight", "at replicas", "one"]], count),
  new Chart("Tokens per second", [
    ["tokens", "generated", "one"], ["goodput_tokens", "within the objectives", "good"]], count),
];

for (const button of document.querySelectorAll("button[data-minutes]")) {
  button.addEventListener("click", () => {
    minutes = Number(button.dataset.minutes);
    for (const other of document.querySelectorAll("button[data-minutes]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    for (const chart of charts) chart.draw();
  });
}

// Tables. heads: [text, whether it is a number]; rows: [mark, cells].
function table(id, heads, rows, whenEmpty) {
  const made = byId(id);
  if (rows.length === 0) {
    made.replaceChildren(element("tr", {}, element("td", { class: "soft" }, whenEmpty)));
    return;
  }
  const kind = (index) => heads[index][1] ? { class: "n" } : {};
  made.replaceChildren(
    element("tr", {}, ...heads.map(([text], index) => element("th", kind(index), text))),
    ...rows.map(([mark, cells]) => element("tr", { class: mark }, ...cells.map((cell, index) => element("td", kind(index), cell)))));
}

// What a replica said last is no longer so once it is stale.
const fresh = (row, value) => row.signal_stale ? null : value;

function drawReplicas() {
  const closed = ["dead", "ejected", "wedged", "unauthorized"];
  table("replicas",
    [["replica"], ["state"], ["why"], ["since", 1], ["in flight", 1], ["may hold", 1], ["others", 1], ["its queue", 1],
      ["running", 1], ["KV", 1], ["signals", 1], ["failed", 1]],
    state.replicas.map((row) => [
      row.state === "ready" ? "" : closed.includes(row.state) ? "bad" : "fair",
      [(state.pools.length > 1 ? row.pool + "/" : "") + row.name, row.state, row.why, span(row.since_seconds), count(row.in_flight),
        count(row.limit), count(row.others), count(fresh(row, row.queue_depth)), count(fresh(row, row.running)),
        part(fresh(row, row.kv_usage_ratio)), row.signal_age_seconds == null ? "none" : span(row.signal_age_seconds) + (row.signal_stale ? ", stale" : ""),
        count(row.failed)]]),
    "no replica");
}

function drawObjectives() {
  const covered = state.objectives.length > 0 ? state.objectives[0].covered_seconds : null;
  const hour = covered != null && covered < 3600 ? `burn, ${span(covered)} so far` : "burn, 1 h";
  table("objectives",
    [["objective"], ["of"], ["asked", 1], ["good, 5 min", 1], ["requests, 5 min", 1], ["burn, 5 min", 1], [hour, 1], ["alerts"]],
    state.objectives.map((row) => [
      row.firing.length > 0 ? "bad" : row.burn_5m > 1 ? "fair" : "",
      [row.slo, row.sli + (row.threshold_seconds == null ? "" : ` ≤ ${span(row.threshold_seconds)}`), share(row.target),
        share(row.good_5m), count(row.events_5m), count(row.burn_5m), count(row.burn_1h),
        row.firing.length > 0 ? row.firing_texts.join("; ") : "none"]]),
    "no objective is configured");
}

function drawClasses() {
  const rows = state.pools.flatMap((pool) => pool.classes.map((row) => [
    row.bound_seconds != null && row.predicted_wait_seconds > row.bound_seconds ? "fair" : "",
    [pool.pool, row.class, count(row.length), row.length > 0 ? span(row.oldest_seconds) : dash,
      span(row.predicted_wait_seconds), span(row.bound_seconds), pool.mode]]));
  table("classes", [["pool"], ["class"], ["waiting", 1], ["oldest", 1], ["a newcomer's wait", 1], ["refused above", 1], ["admission"]],
    rows, "no class");
}

function drawSheds() {
  table("sheds", [["reason"], ["requests", 1]],
    state.sheds.map((row) => ["", [row.reason, count(row.count)]]), "nobody");
}

function drawDecisions() {
  table("decisions",
    [["ago", 1], ["verdict"], ["why"], ["class"], ["prompt", 1], ["predicted wait", 1], ["waited", 1], ["replica"]],
    state.decisions.map((row) => [
      row.verdict === "refused" ? "fair" : "",
      [span(row.age_seconds), row.verdict, row.reason ?? row.routing ?? dash, row.class, count(row.prompt_tokens),
        span(row.predicted_wait_seconds), span(row.waited_seconds), row.replica ?? dash]]),
    "none yet");
}
