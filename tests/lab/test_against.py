"""What `scripts/bench against` and `scripts/instructions --files` reckon and show is right; nothing here measures anything."""

import random
import statistics
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

from standing import SCRIPTS  # noqa: F401  finds the scripts
from lab.shell import LabError
from rigs import against, files, pairs, revision
from rigs.pairs import Comparison


def loop(path: str, *ratios: float, measure: str = "loop, 4,096 conversations") -> Comparison:
    """A path whose packet took 60 ns in the other revision."""
    return Comparison(measure, path, "ns", "less", (60.0,) * len(ratios), tuple(60 / ratio for ratio in ratios))


class Arithmetic(unittest.TestCase):
    def test_a_ratio_above_one_is_better_whatever_was_measured(self):
        self.assertEqual(Comparison("P1", "rate", "M/s", "more", (10.0, 8.0), (12.0, 8.0)).ratios, (1.2, 1.0))
        self.assertEqual(Comparison("loop", "x", "ns", "less", (60.0, 40.0), (40.0, 40.0)).ratios, (1.5, 1.0))
        with self.assertRaises(ValueError):
            _ = Comparison("P1", "rate", "M/s", "more", (10.0, 8.0), (12.0,)).ratios

    def test_the_interval_of_a_median_is_that_of_the_sign_test(self):
        """Ranks from the tables of the binomial distribution at 95 %, one-based."""
        for count, rank in ((1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8)):
            values = tuple(float(value) for value in range(1, count + 1))
            self.assertEqual(pairs.median_interval(values), (rank, count + 1 - rank), count)

    def test_the_interval_holds_the_median_as_often_as_it_says(self):
        dice = random.Random(7)
        draws = [tuple(dice.expovariate(1.0) for _ in range(15)) for _ in range(2_000)]
        held = [low <= 0.6931 <= high for low, high in map(pairs.median_interval, draws)]
        self.assertGreaterEqual(statistics.mean(held), 0.95)
        self.assertLess(statistics.mean(held), 0.985)

    def test_each_revision_begins_every_other_pair(self):
        self.assertEqual([pairs.first_is_other(number) for number in range(4)], [True, False, True, False])


class Names(unittest.TestCase):
    def test_paths_are_matched_by_name_and_by_what_they_were_called(self):
        self.assertEqual(pairs.common(["a", "gone", "b"], ["b", "new", "a"]), {"b": "b", "a": "a"})
        with mock.patch.dict(pairs.RENAMED, {"before": "now"}):
            self.assertEqual(pairs.common(["before", "a"], ["a", "now"]), {"a": "a", "now": "before"})


class Targets(unittest.TestCase):
    def test_paths_are_judged_one_by_one_and_by_their_median(self):
        rows = [loop("a", 1.3, 1.3), loop("b", 1.25, 1.25), loop("c", 0.9, 0.9)]
        self.assertEqual([(found.name, found.met) for found in pairs.judged(rows)], [("Q1", True), ("Q1", False)])
        self.assertIn("(c)", pairs.judged(rows)[1].found)

    def test_noise_does_not_fail_a_path_and_a_median_is_not_met_by_noise(self):
        rows = [loop("a", 0.97, 0.99, 1.01), loop("b", 1.1, 1.19, 1.3)]
        self.assertEqual([found.met for found in pairs.judged(rows)], [False, True])

    def test_sizes_are_judged_apart_the_smaller_first(self):
        rows = [loop("a", 1.0, measure="loop, 1,000,000 conversations"), loop("a", 1.5)]
        self.assertEqual([found.met for found in pairs.judged(rows)], [True, True, False, True])

    def test_instructions_and_rates(self):
        rows = [Comparison("instructions", "a", "", "less", (431.0,), (340.0,)),
                Comparison("instructions", "b", "", "less", (507.0,), (361.0,)),
                Comparison("P1", "rate", "M/s", "more", (10.0,), (12.0,)), Comparison("P2", "rate", "M/s", "more", (10.0,), (9.0,))]
        found = [(verdict.name, verdict.found, verdict.met) for verdict in pairs.judged(rows)]
        self.assertEqual(found, [("Q2", "361 (b)", False), ("Q3", "1.20, 1.20 to 1.20", True)])


class CommandLine(unittest.TestCase):
    def test_measures_come_in_their_order_and_strangers_are_refused(self):
        self.assertEqual(against._options(["--only", "P1,turn"]).only, ("turn", "P1"))
        self.assertEqual(against._options([]).revision, None)
        with mock.patch("sys.stderr"), self.assertRaises(SystemExit):
            against._options(["--only", "turn,P3"])

    def test_the_baseline_is_a_full_hash(self):
        self.assertRegex(revision.baseline(), r"^[0-9a-f]{40}$")

    def test_a_revision_that_is_not_here_is_named_with_the_remedy(self):
        for shallow, remedy in (("true", "--unshallow"), ("false", "git fetch")):
            with mock.patch.object(revision, "_git", side_effect=[LabError("no"), shallow]):
                with self.assertRaisesRegex(LabError, f"revision v9 .*{remedy}"):
                    revision.checked_out("v9")

    def test_a_summary_names_every_row_and_every_target(self):
        sides = (revision.Revision("1234567", SCRIPTS, "1"), revision.Revision("89abcde, with changes", SCRIPTS, "8"))
        rows = [loop("service_udp_in", 1.3, 1.2, 1.25)]
        text = against._shown(sides, rows, pairs.judged(rows), "now")
        self.assertIn("| loop, 4,096 conversations | service_udp_in | 60.0 ns | 48.0 ns | 1.25 | 1.20 to 1.30 |", text)
        self.assertIn("| Q1 | loop, 4,096 conversations: median path ≥ 1.2 | 1.25 | met |", text)


PROFILE = """events: Ir
fl=/home/somebody/fairlead/src/engine/hit.rs
fn=fairlead::engine::hit
10 5
fi=src/wire/usual.rs
20 7
calls=3 0x40
21 1000
fe=/home/somebody/fairlead/src/engine/hit.rs
11 2
fl=/rustc/5980/library/core/src/ops.rs
30 100
fl=/root/.cargo/registry/src/index/foldhash-0.2/src/fast.rs
31 100
fl=/rust/deps/hashbrown-0.16.1/src/raw/mod.rs
33 100
fl=benches/support/port.rs
32 100
"""


class Files(unittest.TestCase):
    def test_lines_count_for_the_file_they_were_inlined_from_and_calls_for_none(self):
        self.assertEqual(files.by_file(PROFILE, Path("/home/somebody/fairlead")), Counter({"engine/hit.rs": 7, "wire/usual.rs": 7}))

    def test_only_what_grows_with_frames_counts(self):
        full, half = Counter(a=64_000, b=9_000, c=10), Counter(a=32_000, b=8_900)
        self.assertEqual(files.grown(full, half), {"a"})

    def test_a_program_of_another_tree_is_refused(self):
        files.refuse_a_stranger(Path("pace"), {"excluded": ["a.rs"]})
        with self.assertRaisesRegex(LabError, "crossed on visitor: pace was built from another tree"):
            files.refuse_a_stranger(Path("pace"), {"excluded": ["a.rs"], "visitor": []})

    def test_files_stand_in_the_order_they_are_met(self):
        self.assertEqual(files.in_order({"a", "b", "z", "y"}, ["b", "x", "a", "b"]), ["b", "a", "y", "z"])

    def test_a_page_that_says_otherwise_and_a_way_too_long_are_named(self):
        found = {"service_udp_in": [f"{n}.rs" for n in range(9)], "outbound_tcp": [f"{n}.rs" for n in range(15)]}
        page = f"<!-- bench: files -->\n{files.table(found)}\n<!-- bench: end of files -->\n"
        self.assertEqual(files.too_long(found), ["outbound_tcp: crosses 15 files; at most 14 are allowed"])
        self.assertEqual(files.stale(found, page), [])
        shorter = {"service_udp_in": found["service_udp_in"][1:]}
        self.assertIn("--files --write", files.stale(shorter, page)[0])


if __name__ == "__main__":
    unittest.main()
