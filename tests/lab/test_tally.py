"""What the runners of tests print is counted, and a failure is never counted as none."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import standing  # noqa: F401 (finds the scripts)
from suite.tally import Tally, failures, of_output

LIBTEST = "test result: \x1b[32mok\x1b[0m. 7 passed; 0 failed; 1 ignored\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n"
UNITTEST = "Ran 9 tests in 3.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n"


class Counting(unittest.TestCase):
    def test_each_runner_is_understood(self):
        self.assertEqual(of_output(LIBTEST, False), Tally(8, 2))
        self.assertEqual(of_output(UNITTEST, False), Tally(5, 3))
        self.assertEqual(of_output("Ran 2 tests in 0.1s\n\nOK\n", True), Tally(2, 0))

    def test_a_step_without_tests_counts_as_one(self):
        self.assertEqual(of_output("Finished", True), Tally(1, 0))
        self.assertEqual(of_output("error: unused", False), Tally(0, 1))

    def test_a_runner_that_dies_after_its_tests_has_failed(self):
        self.assertEqual(of_output("test result: ok. 7 passed; 0 failed; 0 ignored\nSIGSEGV\n", False), Tally(7, 1))

    def test_failures_are_named(self):
        said = "test a::b ... ok\ntest a::c ... FAILED\nFAIL: test_x (test_y.Y.test_x)\nERROR: setUpClass (test_z.Z)\n"
        self.assertEqual(failures(said), ["a::c", "test_x (test_y.Y.test_x)", "setUpClass (test_z.Z)"])


class SideBySide(unittest.TestCase):
    """Modules that run in processes of their own are counted as one run."""

    MODULES = {
        "test_good": "def test_1(self): pass\n    @unittest.skip('no')\n    def test_2(self): pass",
        "test_bad": "def test_3(self): self.fail()\n    def test_4(self): pass",
        "test_dead": "def test_5(self): __import__('os')._exit(0)",
        "test_worse": "def test_6(self): __import__('atexit').register(__import__('os').abort)",
    }

    def run_all(self, names: list[str]) -> tuple[str, int]:
        with tempfile.TemporaryDirectory(prefix="fl-side-") as folder:
            for name in names:
                Path(folder, f"{name}.py").write_text(f"import unittest\nclass T(unittest.TestCase):\n    {self.MODULES[name]}\n")
            done = subprocess.run([sys.executable, "-m", "suite.side_by_side", folder], capture_output=True, text=True)
        return done.stdout, done.returncode

    def test_all_are_counted_and_one_that_dies_has_failed(self):
        said, code = self.run_all(list(self.MODULES))
        self.assertEqual((of_output(said, code == 0), code), (Tally(3, 3), 1), said)
        named = failures(said)
        self.assertIn("test_3 (test_bad.T.test_3)", named)
        for name in ("test_dead", "test_worse"):
            self.assertTrue(any(line.startswith(f"{name} ended with") for line in named), named)

    def test_where_none_fails_all_is_well(self):
        said, code = self.run_all(["test_good"])
        self.assertEqual((of_output(said, code == 0), code), (Tally(1, 0), 0), said)


if __name__ == "__main__":
    unittest.main()
