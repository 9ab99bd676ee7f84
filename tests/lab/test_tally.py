"""What the runners of tests print is counted, and a failure is never counted as none."""

import unittest

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


if __name__ == "__main__":
    unittest.main()
