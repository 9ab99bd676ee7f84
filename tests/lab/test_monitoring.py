"""What dpdk-config/monitoring has: alerts and a dashboard. promtool reads them, and a real Prometheus that scrapes an appliance answers every
expression in them."""

import functools
import itertools
import json
import re
import subprocess
import unittest

from standing import SCRIPTS, Setting, StandingLab, addresses, python_with, sipp
from lab import two_arm
from lab.appliance import binary
from lab.prometheus import TARGET, Prometheus
from lab.shell import run
from monitoring import dashboard
from monitoring.panels import ROWS

FILES = SCRIPTS.parent / "dpdk-config/monitoring"
#: Where the names of metrics stand.
SOURCES = SCRIPTS.parent / "src/admin/metrics"
METRIC = re.compile(r"\bfairlead_\w+")
#: What our programs are called in a text.
COMMAND = re.compile(r"`fairlead ([^`]+)`")

#: What a running lab has no data for, and why.
WITHOUT_DATA = {
    "fairlead_pair_in_sync": "there is no other appliance that knows anything",
    "fairlead_pair_lag_seconds": "there is no other appliance that knows anything",
    "fairlead_pair_lag_flows": "there is no other appliance that knows anything",
    "fairlead_pair_link_connected": "the file names no other appliance",
    "fairlead_pair_sync_records_total": "the file names no other appliance",
    "fairlead_pair_sync_copies_total": "the file names no other appliance",
    "fairlead_pair_sync_breaks_total": "the file names no other appliance",
    "fairlead_pair_sync_flows_left_out_total": "the file names no other appliance",
    "fairlead_snat_ports_exhausted_in_seconds": "ports do not run out",
}
#: The end of an expression that shows only what has happened, which in a sound lab is nothing.
WHAT_HAPPENED = re.compile(r"> 0\)?$")


@functools.cache
def read(name: str) -> dict:
    """One of the files in YAML."""
    convert = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
    done = subprocess.run([python_with("yaml"), "-c", convert], input=(FILES / name).read_text(), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def rules() -> list[dict]:
    """All of alerts.yml."""
    return [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict]:
    """Its alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def shown() -> dict:
    """The dashboard as it is shipped."""
    return json.loads((FILES / "fairlead.json").read_text())


def metrics_of(expression: str) -> set[str]:
    """The appliance's metrics in an expression."""
    return set(METRIC.findall(expression))


class Files(unittest.TestCase):
    def expected(self) -> dict[str, list[dict]]:
        """What alerts-test.yml expects of each alert."""
        listed = read("alerts-test.yml")["tests"]
        return {test["name"]: test.get("promql_expr_test", []) for test in listed}

    def test_promtool_takes_rules_and_configuration(self):
        for kind, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
            self.assertIn("SUCCESS", run(["promtool", "check", kind, str(FILES / name)]).stdout)

    def test_each_alert_comes_and_stays_away_as_its_test_says(self):
        self.assertIn("SUCCESS", run(["promtool", "test", "rules", str(FILES / "alerts-test.yml")], 300.0).stdout)
        tests = self.expected()
        for name in alerts():
            with self.subTest(name):
                expected = tests[name]
                series = set()
                for one in expected:
                    self.assertIn(f'alertname="{name}"', one["expr"])
                    series.update(sample["labels"] for sample in one["exp_samples"])
                self.assertTrue(series, "it comes for nobody")

    def test_each_alert_stays_away_for_somebody(self):
        listed = read("alerts-test.yml")["tests"]
        for test in listed:
            if test["name"] not in alerts():
                continue
            with self.subTest(test["name"]):
                of_good = [one for one in test["input_series"] if 'instance="good:9469"' in one["series"]]
                at_first = [one for one in test["promql_expr_test"] if not one["exp_samples"]]
                self.assertTrue(of_good or at_first, "nobody is well in its test")
                for one in test["promql_expr_test"]:
                    self.assertNotIn("good:9469", str(one["exp_samples"]))

    def test_each_alert_says_what_to_do(self):
        tests = self.expected()
        for name, alert in alerts().items():
            with self.subTest(name):
                self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
                summary, description = alert["annotations"]["summary"], alert["annotations"]["description"]
                self.assertTrue(COMMAND.search(description) or "`systemctl" in description, "nothing to type next")
                known = " ".join(sample["labels"] for test in tests[name] for sample in test["exp_samples"])
                for label in re.findall(r"\$labels\.(\w+)", summary):
                    self.assertIn(f'{label}="', known)

    def test_the_commands_in_the_texts_exist(self):
        helps: dict[tuple[str, ...], str] = {}
        texts = [alert["annotations"]["description"] for alert in alerts().values()]
        texts += [panel.help for row in ROWS for panel in row.panels]
        texts.append((FILES / "README.md").read_text())
        commands = sorted({command for text in texts for command in COMMAND.findall(text)})
        self.assertGreater(len(commands), 30)
        for command in commands:
            with self.subTest(command):
                plain = itertools.takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), command.split())
                words = tuple(plain)[:2]
                if words not in helps:
                    helps[words] = run([str(binary()), *(["help", *words] if words else ["--help"])]).stdout
                for option in re.findall(r"--[a-z-]+", command):
                    self.assertRegex(helps[words], rf"{option}\b")

    def test_the_pages_say_how_many_alerts_there_are(self):
        for page in (FILES / "README.md", SCRIPTS.parent / "CHANGELOG.md"):
            self.assertIn(f"{len(alerts())} alerts", page.read_text())

    def test_the_dashboard_is_the_one_that_is_written_down(self):
        self.assertEqual((FILES / "fairlead.json").read_text(), dashboard.text(), "PYTHONPATH=scripts python3 -m monitoring writes it")

    def test_panels_lie_beside_each_other(self):
        taken: dict[tuple[int, int], str] = {}
        ids = []
        for panel in [one for top in shown()["panels"] for one in [top, *top.get("panels", [])]]:
            ids.append(panel["id"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], dashboard.WIDTH, panel["title"])
            for cell in itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])):
                self.assertNotIn(cell, taken, f"{panel['title']} lies over {taken.get(cell)}")
                taken[cell] = panel["title"]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertGreater(len(ids), 60)


class Watched(StandingLab):
    """An appliance with all that has metrics: limits, host devices, learned routes, a pair of which it is the active one, SIP counted."""

    setting = Setting(
        edits=(
            ('log = "info"\n', f'log = "info"\nmetrics = "{TARGET}"\n'),
            (
                f'addresses = ["{addresses.OUTER_SELF}/24"]\n',
                f'addresses = ["{addresses.OUTER_SELF}/24"]\nfloating = ["192.0.2.4/24"]\nhost = "fl-clients"\n',
            ),
            (two_arm.LISTEN, f'{two_arm.LISTEN}connection_limit = 1000\nadvertise = "when-active"\n'),
            ('address = "10.20.0.12" }', 'address = "10.20.0.12", connection_limit = 100 }'),
        ),
        more='\n[routes]\nfrom_kernel = true\n\n[sip]\nsample = 1\n\n[limits]\ntraffic_counters = true\n\n[pair]\nrole = "active"\n',
    )

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab.host("appliance").ip("route", "replace", "198.51.100.0/24", "via", addresses.ROUTER)
        cls.appliance.command("pair", "standby")
        cls.appliance.command("pair", "active", "--yes")
        cls.prometheus = Prometheus(cls.lab, "appliance", FILES)
        cls.prometheus.start()
        # Something to be shown, and time for rates.
        calls = sipp.udp_calls(cls.lab, 20, 200).finish(60.0)
        assert calls.completed == 200, calls

    def data(self, expressions: list[str]) -> list[list[dict]]:
        """What each expression is answered, without an error."""
        found = []
        for expression, answer in zip(expressions, self.prometheus.queries(expressions), strict=True):
            self.assertEqual(answer["status"], "success", f"{expression}: {answer.get('error')}")
            self.assertFalse(answer.get("warnings"), expression)
            found.append(answer["data"]["result"])
        return found

    def page(self) -> set[str]:
        """Names of the metrics that the appliance serves."""
        text = self.run_in("appliance", "curl", "--silent", f"http://{TARGET}/metrics")
        return set(re.findall(r"^(fairlead_\w+)", text, re.MULTILINE))

    def test_the_rules_are_loaded_and_the_appliance_is_scraped(self):
        def healthy() -> bool:
            [answer] = self.prometheus.ask(["/api/v1/rules"])
            loaded = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
            self.assertEqual(len(loaded), len(rules()))
            self.assertEqual([rule["lastError"] for rule in loaded if rule.get("lastError")], [])
            return all(rule["health"] == "ok" for rule in loaded)

        self.wait_for(healthy, 60.0, self.prometheus.said)
        [targets] = self.prometheus.ask(["/api/v1/targets"])
        [target] = targets["data"]["activeTargets"]
        self.assertEqual((target["health"], target["lastError"], target["labels"]["instance"]), ("up", "", TARGET))

    def test_every_metric_in_rules_and_dashboard_is_one_of_the_appliance_s(self):
        page = self.page()
        asked = [rule["expr"] for rule in rules()] + [expression for _, expression in dashboard.expressions(shown())]
        unknown = set().union(*map(metrics_of, asked)) - page
        self.assertLessEqual(unknown, set(WITHOUT_DATA))
        # What is not there now is at least written somewhere.
        source = "".join(file.read_text() for file in SOURCES.glob("*.rs"))
        for name in WITHOUT_DATA:
            self.assertIn(f'"{name.removeprefix("fairlead_").removesuffix("_total")}"', source)

    def test_every_expression_of_the_dashboard_is_answered_with_data(self):
        named = dashboard.expressions(shown())
        filled = [dashboard.filled_in(expression, ".+", "1m", "1h") for _, expression in named]
        self.assertGreater(len(filled), 90)
        for (where, expression), result in zip(named, self.data(filled), strict=True):
            with self.subTest(where):
                if metrics_of(expression) & set(WITHOUT_DATA) or WHAT_HAPPENED.search(expression):
                    continue
                self.assertTrue(result, expression)
                self.assertNotEqual({sample["value"][1] for sample in result}, {"NaN"}, expression)

    def test_every_alert_has_the_data_that_it_judges(self):
        judged = {name: alert["expr"] for name, alert in alerts().items()}
        self.data(list(judged.values()))
        metrics = sorted(set().union(*map(metrics_of, judged.values())) - set(WITHOUT_DATA))
        for metric, result in zip(metrics, self.data(metrics), strict=True):
            self.assertTrue(result, metric)
        [recorded] = self.data(["fairlead:dropped_frames:rate5m"])
        self.assertTrue(recorded)

    def test_an_alert_comes_when_no_server_answers_and_goes_when_one_does(self):
        self.assertEqual(self.firing("FairleadVirtualServerDown"), [])
        self.addCleanup(self.appliance.wait_for_active, "sip-a")
        self.addCleanup(self.pair.order, "sip-a", "primary")
        self.pair.order("sip-a", "backup")
        self.wait_for(lambda: self.firing("FairleadVirtualServerDown"), 60.0, self.prometheus.said)
        [alert] = self.firing("FairleadVirtualServerDown")
        self.assertEqual((alert["labels"]["virtual_server"], alert["labels"]["severity"]), ("sip-1", "critical"))
        self.assertEqual(alert["annotations"]["summary"], f"Virtual server sip-1 is down on {TARGET}")
        for one in self.alerts():
            self.assertNotIn("error", one["annotations"]["summary"] + one["annotations"]["description"])
        self.pair.order("sip-a", "primary")
        self.wait_for(lambda: not self.firing("FairleadVirtualServerDown"), 60.0, self.prometheus.said)

    def alerts(self) -> list[dict]:
        """Those that Prometheus has now, pending or firing."""
        [answer] = self.prometheus.ask(["/api/v1/alerts"])
        return answer["data"]["alerts"]

    def firing(self, name: str) -> list[dict]:
        """Those of a name that fire."""
        return [one for one in self.alerts() if one["labels"]["alertname"] == name and one["state"] == "firing"]


if __name__ == "__main__":
    unittest.main()
