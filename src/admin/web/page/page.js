// The status page: asks for /status.json, and shows what it says. Whatever comes from there is only ever the text of a node.
"use strict";
(() => {
  const EVERY_MS = 2000, PATIENCE_MS = 6000, SHOWN = 8;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  // Elements.

  function put(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
    }
    return element;
  }
  const h = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);

  // Makes a shown element like another one, and touches only what differs: who reads, selects or has the focus keeps it.
  function morph(shown, wanted) {
    for (const { name } of [...shown.attributes]) {
      if (!wanted.hasAttribute(name) && name !== "open") shown.removeAttribute(name);
    }
    for (const { name, value } of [...wanted.attributes]) {
      if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    }
    const nodes = [...wanted.childNodes];
    nodes.forEach((node, at) => {
      const old = shown.childNodes[at];
      if (!old) shown.append(node);
      else if (old.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) {
        if (old.data !== node.data) old.data = node.data;
      } else if (old.nodeName === node.nodeName && old.nodeType === Node.ELEMENT_NODE) morph(old, node);
      else old.replaceWith(node);
    });
    while (shown.childNodes.length > nodes.length) shown.lastChild.remove();
  }

  function show(id, ...children) {
    const shown = byId(id), wanted = shown.cloneNode(false);
    morph(shown, put(wanted, {}, children));
  }

  // Words and numbers.

  const whole = new Intl.NumberFormat("en");
  const count = (n) => whole.format(n);
  const many = (n, one, more) => `${count(n)} ${n === 1 ? one : more || one + "s"}`;

  function scaled(n, units, step) {
    let at = 0;
    while (n >= step * 0.9995 && at < units.length - 1) { n /= step; at += 1; }
    const digits = at === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
    return `${Number(n.toFixed(digits))}\u00a0${units[at]}`.trim();
  }
  const short = (n) => scaled(n, ["", "k", "M", "G", "T"], 1000);
  const bits = (n) => scaled(n, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"], 1000);
  const nanos = (n) => scaled(n, ["ns", "µs", "ms", "s"], 1000);
  const micros = (n) => nanos(n * 1000);

  function span(seconds) {
    const all = Math.max(0, Math.floor(seconds));
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    let at = parts.findIndex(([size]) => all >= size);
    if (at < 0) at = 3;
    const [size, unit] = parts[at];
    const first = `${Math.floor(all / size)}\u00a0${unit}`;
    const next = parts[at + 1];
    const rest = next && at < 2 ? Math.floor((all % size) / next[0]) : 0;
    return rest ? `${first} ${rest}\u00a0${next[1]}` : first;
  }
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

  function moment(text) {
    const at = new Date(text);
    return `${day.format(at)}, ${clock.format(at)}`;
  }
  // How long something has been so, by the appliance's own calendar.
  function since(text, now) {
    return h("time", { datetime: text, title: moment(text) }, span((Date.parse(now) - Date.parse(text)) / 1000));
  }

  // Signs: a shape and a word for each colour.

  const SHAPES = {
    good: () => [s("path", { d: "M2 6.5 5 9.5 10.5 3" })],
    bad: () => [s("path", { d: "M2.5 2.5 9.5 9.5M9.5 2.5 2.5 9.5" })],
    warn: () => [s("path", { d: "M6 1.5 11 10.5H1Z" }), s("path", { d: "M6 5v2.4" })],
    plain: () => [s("circle", { cx: 6, cy: 6, r: 4 })],
    active: () => [s("circle", { class: "full", cx: 6, cy: 6, r: 5 })],
  };
  const sign = (shape) => s("svg", { class: "sign", viewBox: "0 0 12 12", "aria-hidden": "true" }, SHAPES[shape]());
  const tag = (tone, word, shape) => h("span", { class: `tag ${tone}` }, sign(shape || tone), word);

  // Tables. Roles are said, because on a narrow screen the parts of a table are laid out as blocks.

  const cell = (label, content, kind) => h("td", { role: "cell", "data-label": label, class: kind }, h("div", {}, content));
  const rowHead = (content, kind) => h("th", { role: "rowheader", scope: "row", class: kind }, content);
  const row = (...cells) => h("tr", { role: "row" }, cells);

  function table(name, heads, ...bodies) {
    const head = heads.map(([text, kind]) => h("th", { role: "columnheader", scope: "col", class: kind }, text));
    return h("table", { role: "table", "aria-label": name },
      h("thead", { role: "rowgroup" }, row(head)),
      bodies.map((rows) => h("tbody", { role: "rowgroup" }, rows)));
  }
  const sheet = (...content) => h("div", { class: "card sheet" }, content);
  const names = (list) => list.map((name, at) => [h("span", { class: "name" }, name + (at < list.length - 1 ? "," : "")), " "]);
  // What stands between backticks is to be typed.
  const prose = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));
  const nothing = (text) => h("div", { class: "card" }, h("p", { class: "none" }, text));

  function rest(listed, all, what, command) {
    return listed < all && h("p", { class: "note" }, `${count(listed)} of ${count(all)} ${what} are shown. `, h("code", {}, command), " on the appliance lists all.");
  }

  // The parts of the page.

  const WORDS = { enabled: "enabled", draining: "draining", offline: "offline" };

  function who(it) {
    const role = it.pair && [" · ", h("span", { class: "role" }, it.pair.role), " in its pair"];
    show("who", h("h1", {}, it.name), h("p", {}, `Fairlead ${it.version} · up ${span(it.uptime_s)}`, role));
    const { open } = standing(it);
    document.title = `${open ? `(${open}) ` : ""}${it.name} · Fairlead`;
  }

  // Alarms by whether somebody knows of them, as `fairlead alarms --check` counts: one that is acknowledged calls nobody.
  // All of them, of which no more than a hundred are listed.
  function standing(it) {
    const known = it.alarms_acknowledged;
    return { open: it.alarms_count - known, critical: it.alarms_critical_open, known };
  }

  function verdict(it) {
    const served = it.virtual_servers_count - it.virtual_servers_disabled;
    const down = served - it.virtual_servers_up;
    const { open, critical, known } = standing(it);
    const standby = it.pair && it.pair.role !== "active";
    const elsewhere = standby && it.pair.peer?.role === "active";
    const news = open ? `${many(open, "alarm")}${critical ? `, ${count(critical)} critical` : ""}` : known ? "No new alarms" : "No alarms";
    const alarms = known ? `${news}, ${count(known)} acknowledged` : news;
    let tone = "good", text = served === 1 ? "The virtual server is up" : `All ${count(served)} virtual servers are up`;
    if (served === 0) [tone, text] = ["plain", "No virtual server is enabled"];
    else if (down) [tone, text] = ["bad", served === 1 ? "The virtual server is down" : `${count(down)} of ${many(served, "virtual server")} ${down === 1 ? "is" : "are"} down`];
    else if (elsewhere) [tone, text] = ["plain", "This appliance stands by"];
    else if (standby) [tone, text] = ["bad", "No appliance of the pair is known to be active"];
    if (tone !== "bad" && open) tone = critical ? "bad" : "warn";
    const more = elsewhere ? `${alarms}. The other appliance of the pair serves the clients.`
      : standby && down ? `${alarms}. No appliance of the pair is known to be active.` : alarms;
    show("verdict", h("div", { class: `verdict ${tone}` }, sign(tone), h("div", {}, h("strong", {}, text), h("span", {}, more))));
  }

  const last = (list) => (list.length ? list[list.length - 1] : null);

  function figures(it) {
    const t = it.trend;
    const figure = (name, value, ...more) => h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value), more.length > 0 && h("dd", {}, more));
    const of = (n, all) => [count(n), h("small", {}, ` of ${count(all)} up`)];
    const rate = (list) => (last(list) === null ? "–" : [short(last(list)), h("small", {}, "/s")]);
    const minute = it.drops.reduce((sum, drop) => sum + drop.last_minute_frames, 0);
    const p99 = last(t.forwarding_p99_ns);
    const off = it.virtual_servers_disabled;
    show("figures", h("dl", { class: "figures" },
      figure("Virtual servers", of(it.virtual_servers_up, it.virtual_servers_count - off), off ? `and ${count(off)} disabled` : "enabled in the file"),
      figure("Members", of(it.members_up, it.members_count), "by their monitors"),
      figure("Received", rate(t.received_frames_per_s), `frames, ${last(t.received_bits_per_s) === null ? "–" : bits(last(t.received_bits_per_s))}`),
      figure("Dropped", count(minute), "in the last minute"),
      figure("Flows", last(t.flows) === null ? "–" : short(last(t.flows)), "in the tables"),
      figure("Latency p99", p99 === null ? "–" : nanos(p99), "of forwarded frames")));
  }

  function alarms(it) {
    if (it.alarms.length === 0) return show("alarms", nothing("No alarm stands."));
    const one = (alarm) => {
      const about = [["pool", alarm.pool], ["member", alarm.member], ["interface", alarm.interface], ["", alarm.object]];
      const of = about.filter(([, name]) => name).map(([kind, name]) => `${kind} ${name}`.trim()).join(", ");
      return h("li", { class: "alarm" },
        tag(alarm.severity === "critical" ? "bad" : "warn", alarm.severity),
        h("p", { class: "what" }, prose(alarm.message)),
        h("span", { class: "soft small keep" }, "for ", since(alarm.since, it.time)),
        alarm.remedy && h("p", { class: "more" }, h("b", {}, "What to do: "), prose(alarm.remedy)),
        h("p", { class: "more small" }, `${alarm.code}${of ? ` · ${of}` : ""} · since ${moment(alarm.since)} · number ${alarm.id}`,
          alarm.acknowledged && ` · acknowledged ${moment(alarm.acknowledged.since)}${alarm.acknowledged.comment ? `: ${alarm.acknowledged.comment}` : ""}`));
    };
    show("alarms", h("div", { class: "card" }, h("ul", { class: "list" }, it.alarms.map(one))),
      rest(it.alarms.length, it.alarms_count, "alarms", "fairlead alarms"));
  }

  function pair(it) {
    byId("s-pair").hidden = !it.pair;
    if (!it.pair) return;
    const p = it.pair;
    const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("span", { class: "sub" }, more)));
    const sync = p.in_sync === null ? tag("plain", "not known") : p.in_sync ? tag("good", "in sync") : tag("warn", "not in sync");
    const lag = p.lag_flows !== null && `${count(p.lag_flows)} changes under way, the oldest ${count(p.lag_ms)} ms old`;
    show("pair", h("div", { class: "card" }, h("dl", { class: "facts" },
      fact("This appliance", tag(p.role === "active" ? "good" : "plain", p.role, p.role === "active" ? "active" : "plain"), [`${p.reason}, for `, since(p.since, it.time)]),
      fact("The other one", p.peer ? tag(p.peer.role === "active" ? "good" : "plain", p.peer.role, p.peer.role === "active" ? "active" : "plain") : tag("warn", "not heard"),
        p.peer && ["heard ", since(p.peer.heard, it.time), " ago"]),
      fact("What they know", sync, lag),
      fact("Take-overs", count(p.takeovers), p.last_takeover && `the last one ${moment(p.last_takeover.time)}`),
      p.split_since && fact("Both are active", tag("bad", "split"), ["for ", since(p.split_since, it.time)]))));
  }

  const SERVER_TONES = { up: "good", down: "bad", disabled: "plain" };

  function servers(it) {
    if (it.virtual_servers.length === 0) return show("servers", nothing("The file has no virtual server."));
    const rows = it.virtual_servers.map((server) => row(
      rowHead([server.name, h("span", { class: "sub listen" }, `${server.address} · ${server.listen.join(", ")}`)]),
      cell("State", tag(SERVER_TONES[server.state] || "plain", server.state), "pill"),
      cell("For", since(server.since, it.time), "pill keep for"),
      cell("Active", [server.active_members.length ? names(server.active_members) : "none", h("span", { class: "sub" }, `of pool ${server.pool}`)]),
      cell("Why", [server.choice === "forced" && "forced by the operator: ", server.reason], "wide")));
    show("servers", sheet(table("Virtual servers", [["Name"], ["State"], ["For"], ["Active member"], ["Why"]], rows)),
      rest(it.virtual_servers.length, it.virtual_servers_count, "virtual servers", "fairlead virtual-servers"));
  }

  // That a standby's port is closed until it takes over is the usual course.
  function stateTag(member) {
    if (member.state === "up") return tag("good", "up");
    if (member.state === "unknown") return tag("plain", "unknown");
    return member.role === "standby" ? tag("plain", "down", "bad") : tag("bad", "down");
  }

  function roleTag(member) {
    if (member.role === "active") return tag("good", "active", "active");
    return member.role === "standby" ? tag("plain", "standby") : tag("plain", "no role");
  }

  function adminTag(member) {
    if (member.admin === "enabled") return h("span", { class: "soft" }, "enabled");
    const until = member.drained ? "drained: nothing is left" : member.drain_until && `until ${moment(member.drain_until)}`;
    return [tag("warn", WORDS[member.admin] || member.admin), until && h("span", { class: "sub" }, until)];
  }

  function members(it) {
    if (it.members.length === 0) return show("members", nothing("The file has no member."));
    const pools = new Map();
    for (const member of it.members) {
      if (!pools.has(member.pool)) pools.set(member.pool, []);
      pools.get(member.pool).push(member);
    }
    // What its only monitor says is said already.
    const probes = (member) => member.probes.map((one) => {
      const took = one.last_rtt_us === null ? "" : `last round trip ${micros(one.last_rtt_us)}`;
      const isSaid = member.probes.length === 1 && member.reason.includes(one.reason);
      return isSaid ? took : `${one.monitor}: ${one.reason}${took && `, ${took}`}`;
    }).filter((text) => text);
    const rows = (member) => row(
      rowHead([member.name, h("span", { class: "sub" }, member.address)]),
      cell("Role", roleTag(member), "pill"),
      cell("State", stateTag(member), "pill"),
      cell("Admin", adminTag(member), "pill"),
      cell("For", since(member.since, it.time), "pill keep for"),
      cell("Flows", count(member.flows), "n pill flows"),
      cell("Why", [h("span", {}, member.reason), h("span", { class: "sub" }, probes(member).join(" · "))], "wide"));
    const group = (pool) => {
      const users = it.virtual_servers.filter((server) => server.pool === pool).map((server) => server.name);
      return h("tr", { role: "row", class: "group" }, h("th", { role: "rowheader", scope: "rowgroup", colspan: 7 }, `Pool ${pool}`,
        users.length > 0 && h("span", {}, `behind ${users.slice(0, 4).join(", ")}${users.length > 4 ? ` and ${users.length - 4} more` : ""}`)));
    };
    const bodies = [...pools].map(([pool, list]) => [group(pool), list.map(rows)]);
    show("members", sheet(table("Members by pool", [["Member"], ["Role"], ["State"], ["Admin"], ["For"], ["Flows", "n"], ["Why"]], ...bodies)),
      rest(it.members.length, it.members_count, "members", "fairlead members"));
  }

  // A switchover is drawn from the last good answer of the one who was active to the moment when every worker sends to the other.
  function steps(one) {
    const begin = one.last_good_answer_us ?? one.first_failed_probe_us ?? one.lost_us ?? one.detected_us;
    const lost = Math.min(one.lost_us ?? one.detected_us, one.detected_us);
    const end = one.installed_us ?? one.published_us ?? one.detected_us;
    const waiting = one.up_us !== null && one.up_us > lost ? "until another was up" : "until another was chosen";
    return [
      [1, "until it was found lost", lost - begin],
      [2, waiting, one.detected_us - lost],
      [3, one.installed_us === null ? "being installed" : "until every worker sent to it", end - one.detected_us],
    ].filter(([, , us]) => us > 0);
  }

  const total = (parts) => parts.reduce((sum, [, , us]) => sum + us, 0);

  // As long as it took, beside the longest one.
  function drawn(parts, all) {
    let x = 0;
    const bars = parts.map(([number, , us]) => {
      const from = x;
      x += (us / all) * 100;
      return s("rect", { class: `p${number}`, x: `${from}%`, y: 0, width: `${Math.max((us / all) * 100, 0.4)}%`, height: 8 });
    });
    return s("svg", { class: "steps", "aria-hidden": "true" }, bars);
  }

  function switchovers(it) {
    const list = [...it.switchovers].reverse();
    if (list.length === 0) return show("switchovers", nothing("There was none."));
    const longest = Math.max(...list.map((one) => total(steps(one))));
    const one = (each) => {
      const parts = steps(each), all = total(parts);
      const figure = ([number, text, us]) => h("li", {}, s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: `p${number}`, width: 10, height: 10, rx: 2 })), h("b", {}, micros(us)), text);
      const asked = each.redelivered + each.redelivery_too_old + each.redelivery_no_room;
      return h("li", { class: "way" },
        h("div", { class: "top" }, h("h3", {}, `${each.pool}: ${each.from ?? "none"} → ${each.to ?? "none"}`),
          tag(each.to === null ? "bad" : "plain", each.cause), h("time", { datetime: each.time }, `${moment(each.time)}, ${span(each.age_ms / 1000)} ago`)),
        h("p", {}, each.reason),
        each.cause !== "start" && all > 0 && [drawn(parts, longest), h("ul", { class: "spans" }, parts.map(figure), h("li", {}, h("b", {}, micros(all)), "in all"),
          asked > 0 && h("li", {}, h("b", {}, `${count(each.redelivered)} of ${count(asked)}`), "waiting requests delivered again"))]);
    };
    const older = list.slice(SHOWN);
    show("switchovers", h("div", { class: "card" }, h("ol", { class: "list" }, list.slice(0, SHOWN).map(one)),
      older.length > 0 && h("details", { class: "fold" }, h("summary", {}, `${many(older.length, "older one")}`), h("ol", { class: "list" }, older.map(one)))));
  }

  function drops(it) {
    if (it.drops.length === 0) return show("drops", nothing("No frame was dropped since the start."));
    const rows = it.drops.map((drop) => row(
      rowHead(h("code", {}, drop.reason)),
      cell("Last minute", count(drop.last_minute_frames), "n"),
      cell("Since the start", count(drop.frames), "n"),
      cell("What it is", [prose(drop.explanation), drop.remedy && h("span", { class: "sub" }, prose(drop.remedy))], "wide")));
    show("drops", sheet(table("Dropped frames by reason", [["Reason"], ["Last minute", "n"], ["Since the start", "n"], ["What it is"]], rows)));
  }

  function path(it) {
    const ports = it.ports.map((port) => row(
      rowHead([port.name, h("span", { class: "sub" }, `${port.driver}, ${port.mac}`)]),
      cell("Link", port.link === "up" ? tag("good", "up") : tag("bad", "down")),
      cell("Speed", port.speed_mbps === null ? "not known" : bits(port.speed_mbps * 1e6), "n"),
      cell("Received", count(port.rx_frames), "n"),
      cell("Sent", count(port.tx_frames), "n"),
      cell("Missed", count(port.rx_missed), "n"),
      cell("Errors", count(port.rx_errors + port.tx_errors), "n")));
    const workers = it.workers.map((worker) => row(
      rowHead([`Worker ${worker.id}`, h("span", { class: "sub" }, `core ${worker.core}`)]),
      cell("Busy", `${worker.busy_percent.toFixed(1)} %`, "n"),
      cell("Received", count(worker.rx), "n"),
      cell("Sent", count(worker.tx), "n"),
      cell("Dropped", count(worker.dropped), "n"),
      cell("Flows", count(worker.flows), "n")));
    show("path", h("div", { class: "stack" },
      sheet(table("Ports", [["Port"], ["Link"], ["Speed", "n"], ["Received", "n"], ["Sent", "n"], ["Missed", "n"], ["Errors", "n"]], ports)),
      sheet(table("Workers", [["Worker"], ["Busy", "n"], ["Received", "n"], ["Sent", "n"], ["Dropped", "n"], ["Flows", "n"]], workers))));
  }

  // Plots.

  const LEFT = 62, RIGHT = 10, TOP = 10, BOTTOM = 22, HIGH = 176;

  // Steps for an axis from nothing to at least `most`.
  function linear(most, least) {
    const top = Math.max(most, least), rough = top / 3, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough && (n >= 1 && Number.isInteger(n))) || 10 * power;
    const end = Math.ceil(top / step) * step, ticks = [];
    for (let at = 0; at <= end + step / 2; at += step) ticks.push(at);
    return { ticks, part: (value) => value / end };
  }
  // Powers of ten around all values.
  function decades(values, usual) {
    const all = values.length ? values : usual;
    // Nothing has no logarithm.
    const power = (value) => Math.log10(Math.max(1, value));
    const low = Math.floor(power(Math.min(...all))), high = Math.max(Math.ceil(power(Math.max(...all))), low + 2);
    const ticks = [];
    for (let at = low; at <= high; at += 1) ticks.push(10 ** at);
    return { ticks, part: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) };
  }

  class Plot {
    constructor(title, unit, format, lines, scale) {
      Object.assign(this, { title, unit, format, lines, scale, cursor: null });
      this.at = h("span", { class: "at" });
      this.key = h("ul", { class: "key" });
      this.canvas = s("svg", { class: "canvas", tabindex: 0, role: "img" });
      byId("plots").append(h("figure", { class: "card plot" },
        h("figcaption", {}, h("h3", {}, title), this.at), this.key, this.canvas));
      this.canvas.addEventListener("pointermove", (event) => this.point(event));
      this.canvas.addEventListener("pointerleave", () => this.move(null));
      this.canvas.addEventListener("blur", () => this.move(null));
      this.canvas.addEventListener("keydown", (event) => this.press(event));
      new ResizeObserver(() => this.draw()).observe(this.canvas);
    }

    feed(trend) {
      this.values = this.lines.map(([key]) => trend[key]);
      this.every = trend.every_ms / 1000;
      this.until = Date.parse(trend.until);
      this.slots = Math.max(300, this.values[0].length);
      if (this.chosen === null) this.cursor = null;
      this.draw();
    }

    get count() { return this.values ? this.values[0].length : 0; }

    // When the value at an index ended, in milliseconds.
    when(at) { return this.until - (this.count - 1 - at) * this.every * 1000; }

    // The index of the moment under the cursor, which moves to the left as time passes. Null: there is none, or no more.
    get chosen() {
      if (this.cursor === null) return null;
      const at = this.count - 1 - Math.round((this.until - this.cursor) / (this.every * 1000));
      return at >= 0 && at < this.count ? at : null;
    }

    point(event) {
      const box = this.canvas.getBoundingClientRect(), inner = box.width - LEFT - RIGHT;
      const slot = Math.round(((event.clientX - box.left - LEFT) / inner) * (this.slots - 1));
      const at = slot - (this.slots - this.count);
      this.move(at >= 0 && at < this.count ? at : null);
    }

    press(event) {
      const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -15, PageDown: 15, Home: -Infinity, End: Infinity }[event.key];
      if (event.key === "Escape") this.move(null);
      if (by === undefined || !this.count) return;
      event.preventDefault();
      this.move(Math.min(this.count - 1, Math.max(0, (this.chosen ?? this.count - 1) + by)));
    }

    move(to) {
      if (to === this.chosen) return;
      this.cursor = to === null ? null : this.when(to);
      this.draw(true);
    }

    said(value) { return value === null || value === undefined ? "–" : this.format(value); }

    draw(moved = false) {
      const width = Math.round(this.canvas.clientWidth);
      if (!this.values || width < 120) return;
      const inner = width - LEFT - RIGHT, tall = HIGH - TOP - BOTTOM;
      const axis = this.scale(this.values.flat().filter((value) => value !== null));
      const x = (at) => LEFT + ((at + this.slots - this.count) / (this.slots - 1)) * inner;
      const y = (value) => TOP + (1 - axis.part(value)) * tall;
      const round = (n) => Math.round(n * 10) / 10;
      const parts = axis.ticks.map((tick) => [
        s("line", { class: tick === axis.ticks[0] ? "grid base" : "grid", x1: LEFT, x2: width - RIGHT, y1: round(y(tick)), y2: round(y(tick)) }),
        s("text", { x: LEFT - 8, y: round(y(tick)) + 4, "text-anchor": "end" }, this.format(tick)),
      ]);
      const all = (this.slots - 1) * this.every;
      for (const back of [10, 5, 0]) {
        const place = LEFT + (1 - (back * 60) / all) * inner;
        if (place < LEFT - 12) continue;
        const text = back ? `−${back} min` : "now";
        parts.push(s("text", { x: round(Math.max(place, LEFT)), y: HIGH - 5, "text-anchor": back === 0 ? "end" : back === 10 ? "start" : "middle" }, text));
      }
      this.values.forEach((values, number) => parts.push(this.curves(values, number, x, y, round)));
      const chosen = this.chosen, at = chosen ?? this.count - 1;
      if (chosen !== null) {
        parts.push(s("line", { class: "cursor", x1: round(x(at)), x2: round(x(at)), y1: TOP, y2: TOP + tall }));
        this.values.forEach((values, number) => {
          if (values[at] !== null) parts.push(s("circle", { class: `dot d${number + 1}`, cx: round(x(at)), cy: round(y(values[at])), r: 4 }));
        });
      }
      const wanted = this.canvas.cloneNode(false);
      wanted.setAttribute("viewBox", `0 0 ${width} ${HIGH}`);
      // A name that changes is read aloud to who is at it: only when they have moved.
      if (moved || document.activeElement !== this.canvas || !wanted.hasAttribute("aria-label")) wanted.setAttribute("aria-label", this.summary(at));
      morph(this.canvas, put(wanted, {}, parts));
      this.legend(at);
    }

    curves(values, number, x, y, round) {
      const runs = [];
      values.forEach((value, at) => {
        if (value === null) return runs.push([]);
        if (runs.length === 0) runs.push([]);
        last(runs).push([round(x(at)), round(y(value))]);
      });
      return runs.filter((run) => run.length > 0).map((run) => {
        const line = run.map((point) => point.join(" ")).join("L");
        const [first, end] = [run[0][0], last(run)[0]];
        const under = number === 0 && s("path", { class: "under", d: `M${first} ${HIGH - BOTTOM}L${line}L${end} ${HIGH - BOTTOM}Z` });
        return [under || [], s("path", { class: `curve s${number + 1}`, d: `M${line}${run.length === 1 ? "h0.1" : ""}` })];
      });
    }

    legend(at) {
      this.at.textContent = this.count === 0 ? "" : this.cursor === null ? this.unit : `at ${clock.format(new Date(this.when(at)))}`;
      const wanted = h("ul", { class: "key" }, this.lines.map(([, name], number) => h("li", {},
        s("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, s("path", { class: `curve s${number + 1}`, d: "M1 4H23" })),
        name, h("b", {}, this.said(this.values[number][at])))));
      morph(this.key, wanted);
    }

    summary(at) {
      const one = ([, name], number) => {
        const known = this.values[number].filter((value) => value !== null);
        return `${name} ${this.said(this.values[number][at])}, at most ${known.length ? this.format(Math.max(...known)) : "–"}`;
      };
      return `${this.title}, ${this.unit}, last ten minutes. ${this.lines.map(one).join("; ")}. Arrow keys read earlier moments.`;
    }
  }

  const plots = [
    new Plot("Frames", "frames a second", short,
      [["received_frames_per_s", "received"], ["sent_frames_per_s", "sent"], ["dropped_frames_per_s", "dropped"]],
      (values) => linear(Math.max(0, ...values), 3)),
    new Plot("Throughput", "bits a second", short,
      [["received_bits_per_s", "received"], ["sent_bits_per_s", "sent"]],
      (values) => linear(Math.max(0, ...values), 3000)),
    new Plot("Forwarding latency", "through the appliance", nanos,
      [["forwarding_p99_ns", "99 in 100"], ["forwarding_p50_ns", "half"], ["forwarding_max_ns", "longest"]],
      (values) => decades(values, [1e3, 1e6])),
    new Plot("Flows", "in the tables", short, [["flows", "flows"]], (values) => linear(Math.max(0, ...values), 3)),
  ];

  // Asking.

  let shownAt = null, timer = null, version = null;

  function fresh(text, old) {
    byId("fresh").className = old ? "fresh old" : "fresh";
    if (byId("fresh").textContent !== text) byId("fresh").textContent = text;
  }

  function failed(why, short) {
    const since = shownAt === null ? "" : ` What is shown is from ${clock.format(shownAt)}.`;
    const text = `${why}.${since} It is asked again every few seconds.`;
    if (byId("lost").textContent !== text) byId("lost").textContent = text;
    fresh(short, true);
  }

  // What the appliance says.
  async function answered() {
    let answer, text;
    try {
      answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      text = await answer.text();
    } catch (error) {
      throw new Error(error.name === "TimeoutError" ? `nothing came within ${PATIENCE_MS / 1000} s` : "it cannot be reached");
    }
    if (!answer.ok) throw new Error(`it says ${answer.status} ${answer.statusText}`);
    try {
      return JSON.parse(text);
    } catch {
      throw new Error("what it says is not whole");
    }
  }

  function shown(it) {
    // Another version has another page.
    version ??= it.version;
    if (it.version !== version) return location.reload();
    for (const part of [who, verdict, figures, alarms, pair, servers, members, switchovers, drops, path]) part(it);
    plots.forEach((plot) => plot.feed(it.trend));
    shownAt = new Date();
    byId("lost").textContent = "";
    fresh(`Live, ${clock.format(new Date(it.time))}`, false);
  }

  async function ask() {
    clearTimeout(timer);
    let wait = EVERY_MS, it = null;
    try {
      it = await answered();
    } catch (error) {
      failed(`No answer from the appliance: ${error.message}`, "No answer");
    }
    try {
      if (it) shown(it);
      else wait = EVERY_MS * 2;
    } catch (error) {
      wait = EVERY_MS * 2;
      failed(`This page cannot show what the appliance says: ${error.message}`, "Not shown");
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, wait);
    else fresh("Paused", true);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  ask();
})();
