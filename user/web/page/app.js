// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The page: views over GET /api/v1/... Text from the network becomes text nodes and nothing else.

const PAGE = 200;
const LIVE_ROWS = 100;
const REFRESH_MS = 5000;
const VERDICTS = ["presented", "declined", "rejected", "resumed", "unknown"];
const main = document.getElementById("main");
const message = document.getElementById("message");
const form = document.getElementById("filter");
const expression = document.getElementById("expression");
const since = document.getElementById("since");

let leave = () => {};
let turn = 0; // a view that was left while it waited for its answer draws nothing

/* An element with attributes and children; a child that is a string is text. */
function make(name, attributes = {}, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		if (value !== null && value !== undefined)
			element.setAttribute(key, value);
	element.append(...children.filter((child) => child !== null && child !== undefined));
	return element;
}

function say(text) {
	message.textContent = text;
}

/* The address: #/view?expression=...&since=...; so a view can be linked. */
function place() {
	const [path, query] = location.hash.replace(/^#\//, "").split("?");
	return {path: path || "overview", query: new URLSearchParams(query || "")};
}

function address(path, changes = {}) {
	const query = new URLSearchParams(place().query);
	for (const name of ["first", "event", "address", "port", "name", "role"])
		query.delete(name);
	for (const [name, value] of Object.entries(changes))
		if (value === "" || value === null || value === undefined)
			query.delete(name);
		else
			query.set(name, value);
	const text = query.toString();
	return "#/" + path + (text ? "?" + text : "");
}

function query_of(parameters) {
	return new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined)).toString();
}

async function ask(path, parameters = {}) {
	const response = await fetch("/api/v1/" + path + "?" + query_of(parameters));
	const answer = await response.json();
	if (!response.ok)
		throw new Error(answer.error || response.statusText);
	return answer;
}

function scope(extra = "") {
	const {query} = place();
	const parts = [query.get("expression"), extra].filter(Boolean);
	return {expression: parts.length > 1 ? parts.map((part) => "(" + part + ")").join(" and ") : parts[0], since: query.get("since")};
}

/* A string literal of an expression. */
function literal(text) {
	return '"' + text.replace(/[\\"]/g, "\\$&") + '"';
}

function time(text) {
	return text ? make("time", {datetime: text}, text.slice(0, 16).replace("T", " ")) : "-";
}

function endpoint(row) {
	return (row.address.includes(":") ? "[" + row.address + "]" : row.address) + ":" + row.port;
}

/* Tables: a column is a heading, a function of the row, and a class. */
function cell(value, style) {
	const empty = value === null || value === undefined || value === "";
	return make("td", {class: style}, empty ? "-" : value instanceof Node ? value : String(value));
}

function table(columns, rows, empty) {
	if (!rows.length)
		return make("p", {}, empty);
	const head = make("tr", {}, ...columns.map(([heading, , style]) => make("th", {scope: "col", class: style}, heading)));
	const body = rows.map((row) => make("tr", {}, ...columns.map(([, value, style]) => cell(value(row), style))));
	return make("div", {class: "scroll"}, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

function bar(row) {
	const shares = VERDICTS.map((verdict) => [verdict, row[verdict + "_percent"] || 0]);
	const text = shares.filter(([, share]) => share > 0).map(([verdict, share]) => verdict + " " + share.toFixed(share < 10 ? 1 : 0) + " %").join(", ");
	const element = make("div", {class: "bar", role: "img", "aria-label": text || "not requested", title: text});
	for (const [verdict, share] of shares) {
		const part = make("i", {class: verdict});
		part.style.width = share + "%";
		element.append(part);
	}
	return element;
}

function legend() {
	return make("ul", {class: "legend"}, ...VERDICTS.map((verdict) => make("li", {}, make("i", {class: verdict}), verdict)));
}

function service_link(row) {
	const href = address("service", {address: row.address, port: row.port, name: row.name, role: row.role});
	return make("a", {href}, endpoint(row) + (row.transport === "udp" ? " (udp)" : ""));
}

function handshake_link(event, text) {
	return event ? make("a", {href: address("handshake", {event})}, text) : text;
}

const SERVICE_COLUMNS = [
	["Service", service_link],
	["SNI", (row) => row.name],
	["Role", (row) => row.role, "wide"],
	["Process", (row) => row.process, "wide"],
	["Where", (row) => row.where, "wide"],
	["Asks", (row) => row.asks === null ? "?" : row.asks ? "yes" : "no"],
	["Handshakes", (row) => row.handshakes, "number"],
	["Came of it", bar],
	["Trusted", (row) => row.trusted_percent === null ? null : row.trusted_percent.toFixed(0) + " %", "number"],
	["Plain text", (row) => row.plaintext || null, "number wide"],
	["Versions", (row) => row.versions, "wide"],
	["Last failure", (row) => row.last_failure],
	["Last seen", (row) => time(row.last_seen), "time wide"],
];

const CLIENT_COLUMNS = [
	["Client", (row) => row.client],
	["Process", (row) => row.process, "wide"],
	["Certificate", (row) => row.subject || (row.names || []).join(", ")],
	["Service", (row) => endpoint({address: row.service_address, port: row.service_port})],
	["SNI", (row) => row.service_name, "wide"],
	["Handshakes", (row) => row.handshakes, "number"],
	["Presented", (row) => row.presented, "number"],
	["Declined", (row) => row.declined, "number wide"],
	["Rejected", (row) => row.rejected, "number"],
	["Untrusted", (row) => row.untrusted, "number wide"],
	["Last failure", (row) => row.last_failure],
	["Last seen", (row) => time(row.last_seen), "time wide"],
];

const FAILURE_COLUMNS = [
	["Last", (row) => time(row.last_seen), "time"],
	["Service", endpoint],
	["SNI", (row) => row.name, "wide"],
	["Client", (row) => row.client],
	["Certificate", (row) => row.subject, "wide"],
	["Reason", (row) => handshake_link(row.example, row.reason || row.verdict)],
	["By", (row) => row.by, "wide"],
	["Count", (row) => row.count, "number"],
	["Detail", (row) => row.detail, "wide"],
];

const CERTIFICATE_COLUMNS = [
	["Not after", (row) => time(row.not_after), "time"],
	["Days", (row) => row.days_left === null ? null : make("span", {class: row.days_left < 14 ? "soon" : null}, String(row.days_left)), "number"],
	["Subject", (row) => row.subject],
	["Names", (row) => (row.names || []).join(", ")],
	["Issuer", (row) => row.issuer, "wide"],
	["Shown by", (row) => row.shown_by],
	["Services", (row) => row.services, "wide"],
	["Key", (row) => row.key, "wide"],
	["SHA-256", (row) => row.sha256.slice(0, 16), "wide"],
];

const CHANGE_COLUMNS = [
	["Time", (row) => time(row.time), "time"],
	["Change", (row) => row.change],
	["Service", endpoint],
	["SNI", (row) => row.name, "wide"],
	["Subject", (row) => row.subject],
	["Before", (row) => (row.before || []).join(", "), "wide"],
	["After", (row) => (row.after || []).join(", ")],
];

const HANDSHAKE_COLUMNS = [
	["Time", (row) => time(row.time), "time"],
	["Service", endpoint],
	["Client", (row) => row.client],
	["SNI", (row) => row.name, "wide"],
	["Version", (row) => row.version, "wide"],
	["Verdict", (row) => handshake_link(row.event, row.verdict)],
	["Reason", (row) => row.reason],
	["ms", (row) => row.milliseconds, "number wide"],
	["Certificate", (row) => row.subject, "wide"],
];

/* A view that is one table, a page of rows at a time. */
function list(path, title, columns, empty) {
	return async () => {
		const first = Number(place().query.get("first") || 0);
		const answer = await ask(path, {...scope(), first, limit: PAGE});
		const last = first + answer.rows.length;
		const pager = make("div", {class: "pager"},
			first ? make("a", {href: address(path, {first: Math.max(0, first - PAGE) || null})}, "Previous") : null,
			answer.rows.length ? `${first + 1} to ${last} of ${answer.total}${answer.cut ? " or more" : ""}` : null,
			answer.rows.length === PAGE ? make("a", {href: address(path, {first: last})}, "Next") : null);
		return [make("h2", {}, title), table(columns, answer.rows, empty), pager];
	};
}

/* Charts are begun when their canvas is in the page. */
const charts = [];

function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function chart(title, labels, series) {
	const canvas = make("canvas", {role: "img", "aria-label": title});
	const axis = {stacked: true, ticks: {color: colour("dim"), maxTicksLimit: 8}};
	charts.push(() => new Chart(canvas, {
		type: "bar",
		data: {labels, datasets: series.map(([label, data, tint]) => ({label, data, backgroundColor: colour(tint), stack: "all"}))},
		options: {animation: false, maintainAspectRatio: false, plugins: {legend: {display: false}},
			scales: {x: {...axis, grid: {display: false}}, y: {...axis, beginAtZero: true}}},
	}));
	return make("figure", {}, make("figcaption", {}, title), make("div", {}, canvas));
}

const GROUPS = [
	["presented", ["presented"]],
	["declined", ["declined"]],
	["rejected", ["rejected_certificate", "rejected_without_certificate", "unanswered", "failed_before_request"]],
	["resumed", ["resumed", "psk"]],
	["unknown", ["unknown"]],
	["rest", ["not_requested", "not_tls"]],
];

/* Counts of minutes as columns of step seconds from a time on. */
function columns_of(minutes, from, step, count) {
	const series = GROUPS.map(([label, names]) => {
		const data = new Array(count).fill(0);
		for (const minute of minutes) {
			const index = Math.floor((minute.time - from) / step);
			if (index >= 0 && index < count)
				data[index] += names.reduce((total, name) => total + (minute[name] || 0), 0);
		}
		return [label, data, label];
	});
	const labels = Array.from({length: count}, (_, index) => new Date((from + index * step) * 1000).toISOString().slice(11, 16));
	return [labels, series];
}

async function overview() {
	const rates = await ask("rates");
	const hour = columns_of(rates.minutes, rates.now - 59 * 60, 60, 60);
	const day = columns_of(rates.minutes, rates.now - 23 * 3600, 3600, 24);
	const services = await ask("services", {...scope(), limit: 1000}).catch((error) => ({error}));
	return [make("h2", {}, "Services"), legend(),
		services.error ? make("p", {}, services.error.message) : table(SERVICE_COLUMNS, services.rows, "no handshake yet"),
		make("h2", {}, "Rates"),
		make("div", {class: "charts"}, chart("Handshakes a minute, the last hour (UTC)", ...hour), chart("Handshakes an hour, the last day (UTC)", ...day))];
}

function facts(entries) {
	const element = make("dl", {});
	for (const [term, value] of entries)
		if (value)
			element.append(make("dt", {}, term), make("dd", {}, String(value)));
	return element;
}

function durations(rows) {
	const bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
	const counts = new Array(bounds.length + 1).fill(0);
	for (const row of rows) {
		const index = bounds.findIndex((bound) => row.milliseconds < bound);
		counts[index < 0 ? bounds.length : index]++;
	}
	return [bounds.map((bound) => "<" + bound).concat(">=1000"), [["handshakes", counts, "resumed"]]];
}

async function service() {
	const {query} = place();
	const name = query.get("name");
	const own = `server.ip == ${query.get("address")} and server.port == ${Number(query.get("port"))} and role == ${query.get("role")} and sni ${name ? "== " + literal(name) : "== null"}`;
	const parameters = scope(own);
	const [services, clients, failures, handshakes] = await Promise.all([ask("services", parameters), ask("clients", {...parameters, limit: 100}),
		ask("failures", {...parameters, limit: 100}), ask("handshakes", {...parameters, limit: 50})]);
	const row = services.rows[0];
	if (!row)
		return [make("p", {}, "nothing is known of this service")];
	return [make("h2", {}, endpoint(row) + (row.name ? " " + row.name : "")), legend(), bar(row),
		facts([["Process", row.process], ["Executable", row.executable], ["User", row.user], ["Unit", row.unit], ["Container", row.container],
			["Pod", row.pod && row.namespace + "/" + row.pod], ["Asks for a certificate", row.asks === null ? "not known" : row.asks ? "yes" : "no"],
			["CAs asked for", (row.authorities || []).join("; ")], ["Versions", row.versions], ["Handshakes", row.handshakes]]),
		make("h2", {}, "Failures by cause"), table(FAILURE_COLUMNS, failures.rows, "no failure"),
		make("h2", {}, "Clients"), table(CLIENT_COLUMNS, clients.rows, "no client"),
		make("h2", {}, "Latency"), chart("The last handshakes by duration (ms)", ...durations(handshakes.rows)),
		make("h2", {}, "Last handshakes"), table(HANDSHAKE_COLUMNS, handshakes.rows, "none is kept in full")];
}

/* One handshake: the ladder drawn. */
function draw(name, attributes, text) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes))
		element.setAttribute(key, value);
	if (text !== undefined)
		element.textContent = text;
	return element;
}

function arrow(from, to, y, style) {
	const back = to > from ? -8 : 8;
	return [[from, y, to, y], [to, y, to + back, y - 4], [to, y, to + back, y + 4]].map(([x1, y1, x2, y2]) => draw("line", {x1, y1, x2, y2, class: style}));
}

function step_text(step) {
	return `${step.name || step.content_type}${step.type === undefined ? "" : " (" + step.type + ")"}, ${step.length} bytes`;
}

function ladder(record) {
	const steps = [...(record.mtls.messages || []), ...(record.mtls.records || [])].sort((one, other) => one.us - other.us);
	const height = 60 + steps.length * 24;
	const picture = draw("svg", {viewBox: `0 0 640 ${height}`, role: "img", "aria-label": "the messages of the handshake"});
	for (const [x, label] of [[150, "client"], [490, "server"]])
		picture.append(draw("text", {x, y: 16, "text-anchor": "middle"}, label), draw("line", {x1: x, y1: 24, x2: x, y2: height - 8}));
	steps.forEach((step, index) => {
		const y = 44 + index * 24;
		const style = step.type === 13 ? "request" : step.content_type === 21 ? "alert" : "";
		picture.append(...(step.from === "client" ? arrow(152, 488, y, style) : arrow(488, 152, y, style)),
			draw("text", {x: 320, y: y - 4, "text-anchor": "middle"}, step_text(step)), draw("text", {x: 4, y: y + 4}, (step.us / 1000).toFixed(3) + " ms"));
	});
	return make("div", {class: "ladder"}, picture);
}

async function handshake() {
	const {record, ladder: text} = await ask("handshakes/" + encodeURIComponent(place().query.get("event") || ""));
	const {mtls, tls, process} = record;
	const failure = mtls.failure && [mtls.failure.reason, mtls.failure.by && "by " + mtls.failure.by, mtls.failure.detail].filter(Boolean).join(", ");
	return [make("h2", {}, "Handshake"),
		facts([["Time", record["@timestamp"]], ["Client", `${record.source.ip} port ${record.source.port}`],
			["Server", `${record.destination.ip} port ${record.destination.port}`], ["Verdict", mtls.client_auth], ["Failure", failure],
			["Evidence", mtls.evidence], ["Process", process && `${process.name}/${process.pid}`], ["Subject", tls && tls.client && tls.client.subject]]),
		...(mtls.hints || []).map((hint) => make("p", {class: "hint"}, hint)), ladder(record),
		make("details", {}, make("summary", {}, "As text"), make("pre", {}, text))];
}

function live_row(record) {
	const {mtls, tls, process} = record;
	const cells = [record["@timestamp"].slice(11, 19), endpoint({address: record.destination.ip, port: record.destination.port}),
		record.source.ip + " " + record.source.port, tls && tls.client && tls.client.server_name, mtls.client_auth, mtls.failure && mtls.failure.reason,
		process && process.name];
	return make("tr", {}, ...cells.map((value) => cell(value)));
}

async function live() {
	const body = make("tbody", {});
	const head = make("tr", {}, ...["Time", "Service", "Client", "SNI", "Verdict", "Reason", "Process"].map((heading) => make("th", {scope: "col"}, heading)));
	const state = make("p", {role: "status"}, "waiting for handshakes");
	const source = new EventSource("/api/v1/live");
	const waiting = [];
	/* many at once are drawn once */
	const timer = setInterval(() => {
		body.prepend(...waiting.splice(0).slice(-LIVE_ROWS).reverse());
		while (body.rows.length > LIVE_ROWS)
			body.lastElementChild.remove();
	}, 250);
	source.onmessage = (event) => {
		waiting.push(live_row(JSON.parse(event.data)));
		state.textContent = "";
	};
	source.onerror = () => { state.textContent = "the connection was lost; trying again"; };
	leave = () => { source.close(); clearInterval(timer); };
	return [make("h2", {}, "Live"), state, make("div", {class: "scroll"}, make("table", {}, make("thead", {}, head), body))];
}

const VIEWS = {
	overview, service, handshake, live,
	clients: list("clients", "Clients", CLIENT_COLUMNS, "no client"),
	certificates: list("certificates", "Certificates, soonest to expire first", CERTIFICATE_COLUMNS, "no certificate"),
	failures: list("failures", "Failures", FAILURE_COLUMNS, "no failure"),
	changes: list("changes", "Changes", CHANGE_COLUMNS, "no change"),
	handshakes: list("handshakes", "Last handshakes", HANDSHAKE_COLUMNS, "no handshake is kept in full"),
};
const QUESTIONS = {overview: "services", clients: "clients", certificates: "certificates", failures: "failures", changes: "changes", handshakes: "handshakes"};

function update_links(path) {
	for (const link of document.querySelectorAll("nav a")) {
		const name = link.getAttribute("href").slice(2).split("?")[0];
		link.setAttribute("href", address(name));
		if (name === path)
			link.setAttribute("aria-current", "page");
		else
			link.removeAttribute("aria-current");
	}
	document.querySelector(".export").hidden = !QUESTIONS[path];
	for (const format of ["csv", "json"])
		document.getElementById(format).setAttribute("href", `/api/v1/${QUESTIONS[path]}?${query_of({...scope(), limit: 10000, format})}`);
}

async function render() {
	const {path, query} = place();
	const mine = ++turn;
	leave();
	leave = () => {};
	say("");
	expression.value = query.get("expression") || "";
	since.value = query.get("since") || "";
	update_links(path);
	charts.length = 0;
	try {
		const content = await (VIEWS[path] || overview)();
		if (mine !== turn)
			return;
		main.replaceChildren(...content);
		charts.splice(0).forEach((begin) => begin());
		document.title = "mtlsnoop: " + path;
		main.dataset.view = path;
	} catch (error) {
		if (mine !== turn)
			return;
		say(error.message);
		main.replaceChildren();
	}
}

form.addEventListener("submit", (event) => {
	const {path} = place();
	event.preventDefault();
	location.hash = address(QUESTIONS[path] ? path : "overview", {expression: expression.value.trim(), since: since.value});
});
window.addEventListener("hashchange", render);
/* The overview stays up to date as long as nobody types. */
setInterval(() => {
	if (place().path === "overview" && !document.hidden && !form.contains(document.activeElement))
		render();
}, REFRESH_MS);
render();
