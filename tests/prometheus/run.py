#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
A Prometheus beside mtlsnoop: it scrapes every second while handshakes of every verdict are made, and is then asked what is
known. The alerts and the dashboard of docs/deploy are held against it. usage: run.py [WORD...] (only the cases with one of
the words in their name)

Everything happens in a network namespace of this process and a cgroup of its own. Prometheus is Debian's, unpacked under
build/stacks.
"""

import contextlib
import ctypes
import json
import math
import os
import platform
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.append(str(TESTS))

from harness.certificates import Certificates  # noqa: E402
from harness import PROGRAM, ROOT, Failure, Skip, Suite, expect, wait_until  # noqa: E402
from harness.cgroups import own_cgroup  # noqa: E402
from harness.scraped import PORT, MetricsTracer, own_network  # noqa: E402
from harness.servers import ADDRESS, SECONDS, VERSIONS, Server, shake_hands  # noqa: E402

DEPLOY = ROOT / "docs" / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
RULES_TEST = TESTS / "prometheus" / "rules_test.yml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
QUESTIONS = ROOT / "docs" / "metrics.md"
ROWS = ["Overview", "Per service", "Failures", "Latency", "Coverage"]

PROMETHEUS_PORT = 9090
ROUNDS = 2
WAIT = 30
BPF_ENABLE_STATS = 32
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}


def tool(name):
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{ROOT}/build/stacks/usr/bin")
    if not found:
        raise Skip(f"there is no {name}: tests/unpack-packages build/stacks prometheus")
    return found


class Prometheus:
    def __init__(self, directory):
        configuration = directory / "prometheus.yml"
        configuration.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "mtlsnoop", "static_configs": [{"targets": [f"{ADDRESS}:{PORT}"]}]}]}))
        self._log = open(directory / "prometheus.log", "w+")
        self._process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={configuration}", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address={ADDRESS}:{PROMETHEUS_PORT}", "--log.level=warn"],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)

    def ask(self, path, **parameters):
        """The data of an answer of its API."""
        url = f"http://{ADDRESS}:{PROMETHEUS_PORT}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(url, timeout=WAIT) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Failure(f"{path} {parameters}: {json.load(error).get('error')}") from None

    def query(self, expression):
        """Labels and value of each sample; what is not a number is none."""
        data = self.ask("query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        samples = [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]
        return [(labels, value) for labels, value in samples if not math.isnan(value)]

    def value(self, expression):
        samples = self.query(expression)
        expect(len(samples), 1, f"samples of {expression}")
        return samples[0][1]

    def by(self, label, expression):
        return {labels[label]: value for labels, value in self.query(expression)}

    def wait_for_start(self):
        ready = f"http://{ADDRESS}:{PROMETHEUS_PORT}/-/ready"

        def answers():
            if self._process.poll() is not None:
                self._log.seek(0)
                raise Failure(f"prometheus ended with status {self._process.returncode}: {self._log.read()[-500:]}")
            # 503 until it has read what is stored
            with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=WAIT):
                return True
        if not wait_until(answers, timeout=WAIT):
            raise Failure("prometheus does not answer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()


class Traffic:
    """Handshakes of every verdict; in made how many of each there were, as either end sees them."""

    def __init__(self, stack, directory):
        self.certificates = Certificates(directory)
        self._servers = {asks: Server(self.certificates, asks) for asks in ("never", "optional", "required")}
        for server in self._servers.values():
            stack.callback(server.close)
        self.good = self.certificates.good["ecdsa"]
        self.made = Counter()
        self.answers = 0  # to a request, seen in cleartext

    def service(self, asks):
        return self._servers[asks].service

    def _make(self, verdict, times, function, *arguments):
        for _ in range(times):
            function(*arguments)
        self.made[verdict] += times

    def carry_out(self):
        """Each verdict so many times that no two can be mixed up."""
        stranger = self.certificates.stranger["ecdsa"]
        never, optional, required = self._servers.values()
        self._make("presented", 3, shake_hands, required, "TLSv1.2", self.good)
        self._make("presented", 1, shake_hands, required, "TLSv1.3", self.good)
        self._make("declined", 5, shake_hands, optional, "TLSv1.2", None)
        self._make("rejected_certificate", 6, shake_hands, required, "TLSv1.2", stranger)
        self._make("rejected_without_certificate", 7, shake_hands, required, "TLSv1.2", None)
        self.answers += 3 + 5 + 6 + 7
        self._make("unanswered", 8, self._leave, required)
        self._make("failed_before_request", 9, self._offer_nothing_common, never)
        self._make("unknown", 2, self._pad, optional)
        self._resume(never, 10)

    def _context(self, version="TLSv1.2"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def _leave(self, server):
        """Behind the server's flight, without an answer."""
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context().wrap_bio(received, sent)
        with socket.create_connection((ADDRESS, server.port), SECONDS) as connection:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            connection.sendall(sent.read())
            while not sent.pending:
                received.write(connection.recv(16384))
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()

    def _offer_nothing_common(self, server):
        """The server's key is none for these."""
        context = self._context()
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        with socket.create_connection((ADDRESS, server.port), SECONDS) as connection, contextlib.suppress(ssl.SSLError):
            context.wrap_socket(connection)

    def _pad(self, server):
        """Records of TLS 1.3 whose lengths tell nothing."""
        subprocess.run(["openssl", "s_client", "-connect", f"{ADDRESS}:{server.port}", "-tls1_3", "-record_padding", "512"],
                       input=b"x", capture_output=True, timeout=WAIT)

    def _resume(self, server, times):
        context, session = self._context(), None
        for _ in range(times + 1):
            with socket.create_connection((ADDRESS, server.port), SECONDS) as connection, \
                    context.wrap_socket(connection, session=session) as tls:
                tls.send(b".")
                expect(tls.recv(1), b".", "answer")
                expect(tls.session_reused, session is not None, "resumed")
                session = tls.session
        self.made["not_requested"] += 1
        self.made["resumed"] += times


class Bench:
    def __init__(self, prometheus, tracer, traffic):
        self.prometheus = prometheus
        self.tracer = tracer
        self.traffic = traffic

    def make_rounds(self):
        """Rates need what there was before: the second round follows when the first has been scraped."""
        by_verdict = 'sum by (client_auth) (mtlsnoop_handshakes_total{role="server"})'
        for _ in range(ROUNDS):
            self.traffic.carry_out()
            wait_until(lambda: self.prometheus.by("client_auth", by_verdict) == self.traffic.made, timeout=WAIT)
        expect(self.prometheus.by("client_auth", by_verdict), dict(self.traffic.made), by_verdict)


def check_counts(bench):
    ask, made = bench.prometheus, bench.traffic.made
    for role in ("server", "client"):
        expression = f'sum by (client_auth) (mtlsnoop_handshakes_total{{role="{role}"}})'
        expect(ask.by("client_auth", expression), dict(made), expression)
    total = sum(made.values())
    share = 'sum(mtlsnoop_handshakes_total{client_auth="unknown"}) / sum(mtlsnoop_handshakes_total)'
    expect(round(ask.value(share), 9), round(made["unknown"] / total, 9), share)
    expect(ask.value("mtlsnoop_unknown_total{reason='padding'}"), 2 * made["unknown"], "unknown for padding, of both roles")
    services = 'count(count by (service) (mtlsnoop_handshakes_total{role="server"}))'
    expect(ask.value(services), 3, services)


def check_state(bench):
    ask = bench.prometheus
    expect(ask.value('up{job="mtlsnoop"}'), 1, "up")
    expect(ask.value("sum(mtlsnoop_lost_events_total)"), 0, "lost events")
    expect(ask.value("mtlsnoop_config_last_reload_successful"), 1, "files taken over")
    expect(ask.value("time() - mtlsnoop_last_read_timestamp_seconds < bool 10"), 1, "events were read lately")


def check_latency(bench):
    """Quantiles lie between the bounds of the histogram, in their order; their count is that of what was made."""
    ask = bench.prometheus
    for metric, count in (("mtlsnoop_handshake_duration_seconds", sum(bench.traffic.made.values())),
                          ("mtlsnoop_certificate_answer_seconds", bench.traffic.answers)):
        expect(ask.value(f'sum({metric}_count{{role="server"}})'), count, f"count of {metric}")
        quantiles = [ask.value(f'histogram_quantile({q}, sum by (le) ({metric}_bucket{{role="server"}}))')
                     for q in (0.1, 0.5, 0.99)]
        if not 0 < quantiles[0] <= quantiles[1] <= quantiles[2] <= SECONDS:
            raise Failure(f"quantiles of {metric} are {quantiles}, expected between 0 and {SECONDS} s, in order")


def check_policy(bench):
    """Of the service that should never ask nothing was broken; the one that should always ask did, but where it could not."""
    ask, made = bench.prometheus, bench.traffic.made
    violations = 'sum by (service) (mtlsnoop_policy_violations_total{role="server"})'
    expect(ask.by("service", violations).get(bench.traffic.service("never")), 0, violations)
    wrong = ask.by("service", violations).get(bench.traffic.service("optional"))
    if not wrong or wrong < made["declined"]:
        raise Failure(f"violations of the service that should never ask, and does: {wrong}, expected {made['declined']} at least")


def check_expiry(bench):
    """The certificates were made for two days."""
    left = bench.prometheus.value('mtlsnoop_client_certificate_earliest_expiry_timestamp_seconds{role="server"} - time()')
    if not 86400 < left <= 2 * 86400:
        raise Failure(f"the first certificate ends in {left} s, expected within the second day")


def check_rules(bench):
    """Evaluated without errors; and what is wrong here is said."""
    def evaluated():
        groups = bench.prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules and all(rule["health"] == "ok" for rule in rules) and rules
    rules = wait_until(evaluated, timeout=WAIT)
    if not rules:
        raise Failure(f"rules that are not well: {[r for g in bench.prometheus.ask('rules')['groups'] for r in g['rules']]}")
    names = {rule["name"] for rule in rules if rule["type"] == "alerting"}
    expect(names, alerts_of(RULES.read_text()), "alerts")
    # the second round is more than the first; a service asks that must not; certificates end in two days
    wanted = {"MtlsCertificatesRejected": "firing", "MtlsPolicyViolated": "firing",
              "MtlsClientCertificateExpires": "pending"}

    def states():
        alerts = bench.prometheus.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}

    def those_wanted():
        found = states()
        return {name: found.get(name) for name in wanted}
    # the rules may have been looked at last before the second round was scraped
    wait_until(lambda: those_wanted() == wanted, timeout=WAIT)
    expect(those_wanted(), wanted, "alerts")
    unwanted = {"MtlsnoopDown", "MtlsnoopLosesEvents", "MtlsnoopStandsStill", "MtlsnoopSeesNothing",
                "MtlsnoopReloadRefused"} & set(states())
    expect(unwanted, set(), "alerts of what is well")


def alerts_of(text):
    return set(re.findall(r"^ *- alert: (\w+)$", text, re.MULTILINE))


def substitute(expression):
    """As Grafana does, where all is chosen."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$instance", ".*"), ("$service", ".*"),
                        ("$role", "server")):
        expression = expression.replace(name, value)
    if "$" in expression:
        raise Failure(f"a variable that is not known in {expression}")
    return expression


def check_dashboard_form(dashboard):
    panels = dashboard["panels"]
    expect([panel["title"] for panel in panels if panel["type"] == "row"], ROWS, "rows")
    numbers = [panel["id"] for panel in panels]
    expect(len(set(numbers)), len(numbers), "different ids")
    titles = [panel["title"] for panel in panels]
    expect(len(set(titles)), len(titles), "different titles")
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            if cell in taken or cell[0] >= 24:
                raise Failure(f"{panel['title']} lies over {taken.get(cell, 'the edge')}")
            taken[cell] = panel["title"]


def check_panel(bench, panel):
    for target in panel["targets"]:
        expression = substitute(target["expr"])
        if "mtlsnoop_bpf_run" in expression and not bench.prometheus.query("mtlsnoop_bpf_runs_total"):
            raise Skip("this kernel does not tell how often programs ran")
        if not bench.prometheus.query(expression):
            raise Failure(f"no data: {expression}")


def check_variable(bench, variable):
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    if not found:
        raise Failure(f"not label_values(): {variable['query']}")
    values = bench.prometheus.ask(f"label/{found[2]}/values", **{"match[]": substitute(found[1])})
    wanted = {"instance": [f"{ADDRESS}:{PORT}"], "service": sorted(bench.traffic.service(asks)
                                                                 for asks in ("never", "optional", "required"))}
    expect(sorted(values), wanted[variable["name"]], f"values of {variable['name']}")


def check_dashboard(suite, bench):
    dashboard = json.loads(DASHBOARD.read_text())
    suite.run("dashboard: form", check_dashboard_form, dashboard)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            suite.run(f"dashboard: variable {variable['name']}", check_variable, bench, variable)
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            suite.run(f"dashboard: {panel['title']}", check_panel, bench, panel)


def check_questions(bench):
    """What docs/metrics.md asks is PromQL, and of metrics that there are."""
    text = QUESTIONS.read_text().split("## Questions")[1].split("\n## ")[0]
    questions = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    if len(questions) < 10:
        raise Failure(f"only {len(questions)} questions")
    for question in questions:
        bench.prometheus.query(question)
        for metric in set(re.findall(r"mtlsnoop_\w+", question)) - {"mtlsnoop_bpf_run_seconds_total", "mtlsnoop_bpf_runs_total"}:
            if not bench.prometheus.query(f"count({metric})"):
                raise Failure(f"there is no {metric}: {question}")


def check_down(bench):
    expect(bench.tracer.stop(), 0, "exit status")
    expect(wait_until(lambda: bench.prometheus.value('up{job="mtlsnoop"}') == 0, timeout=WAIT), True, "up is 0")
    state = wait_until(lambda: [alert["state"] for alert in bench.prometheus.ask("alerts")["alerts"]
                                if alert["labels"]["alertname"] == "MtlsnoopDown"], timeout=WAIT)
    expect(state, ["pending"], "MtlsnoopDown")


def check_promtool():
    done = subprocess.run([tool("promtool"), "check", "rules", RULES], capture_output=True, text=True)
    expect(done.returncode, 0, f"promtool check rules: {done.stdout}{done.stderr}")
    done = subprocess.run([tool("promtool"), "test", "rules", RULES_TEST], capture_output=True, text=True)
    expect(done.returncode, 0, f"promtool test rules: {done.stdout}{done.stderr}")


def check_tests(directory):
    """Each alert is missed by the tests where it is not there, and has a time at which it must not fire."""
    rules, tests = directory / "rules.yml", directory / "rules_test.yml"
    rules.write_text(re.sub(r"alert: (\w+)", r"alert: Not\1", RULES.read_text()))
    tests.write_text(re.sub(r"rule_files: .*", f"rule_files: [{rules}]", RULES_TEST.read_text()))
    done = subprocess.run([tool("promtool"), "test", "rules", tests], capture_output=True, text=True)
    alerts = alerts_of(RULES.read_text())
    missed = set(re.findall(r"alertname: *(\w+)", done.stdout + done.stderr))
    expect(sorted(alerts - missed), [], "alerts that the tests do not miss")
    quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", RULES_TEST.read_text()))
    expect(sorted(alerts - quiet), [], "alerts without a time at which they must not fire")


@contextlib.contextmanager
def counting_runs():
    """The kernel counts runs of programs as long as this descriptor is open."""
    number = BPF_SYSCALL.get(platform.machine())
    descriptor = -1
    if number:
        descriptor = ctypes.CDLL(None).syscall(number, BPF_ENABLE_STATS, ctypes.create_string_buffer(128), 128)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def run_scraped(suite, stack, directory):
    own_network()
    cgroup = stack.enter_context(own_cgroup())
    stack.enter_context(counting_runs())
    traffic = Traffic(stack, directory)
    policy = directory / "policy"
    policy.write_text(f"{traffic.service('required')} required\n{traffic.service('optional')} never\n"
                      f"{traffic.service('never')} never\n")
    tracer = stack.enter_context(MetricsTracer(cgroup, "--quiet", "--library=off", f"--expect={policy}"))
    prometheus = stack.enter_context(Prometheus(directory))
    tracer.wait_for_start()
    prometheus.wait_for_start()
    bench = Bench(prometheus, tracer, traffic)
    suite.run("prometheus: scrapes while handshakes of every verdict are made", bench.make_rounds)
    suite.run("prometheus: counts", check_counts, bench)
    suite.run("prometheus: state", check_state, bench)
    suite.run("prometheus: latency", check_latency, bench)
    suite.run("prometheus: policy", check_policy, bench)
    suite.run("prometheus: expiry", check_expiry, bench)
    suite.run("prometheus: rules", check_rules, bench)
    suite.run("prometheus: the questions of docs/metrics.md", check_questions, bench)
    check_dashboard(suite, bench)
    suite.run("prometheus: mtlsnoop is down", check_down, bench)


def main():
    suite = Suite(sys.argv[1:])
    if not os.access(PROGRAM, os.X_OK):
        print(f"FAIL prometheus: there is no {PROGRAM}: make")
        return 1
    try:
        tool("prometheus"), tool("promtool")
    except Skip as reason:
        print(f"SKIP prometheus: {reason}")
        return 0
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        suite.run("rules: promtool", check_promtool)
        suite.run("rules: each alert is tested", check_tests, directory)
        if os.geteuid() != 0:
            print("SKIP prometheus: it needs root")
        else:
            run_scraped(suite, stack, directory)
    return 1 if suite.failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
