"""What `scripts/lines` counts as the product's source."""

import unittest

from suite.lines import code_of, count


class Lines(unittest.TestCase):
    def test_neither_blank_nor_comment(self):
        text = '//! Head.\n\nfn f() {\n    /* { */\n    g("// no { comment", \'{\'); // a comment\n}\n'
        self.assertEqual(code_of(text), (3, set()))

    def test_raw_strings_and_lifetimes_hide_no_braces(self):
        text = "fn f<'a>(s: &'a str) {\n    g(r#\"{ \" // {\"#);\n}\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn h() {}\n"
        self.assertEqual(code_of(text), (4, set()))

    def test_items_for_tests_do_not_count(self):
        text = "#[cfg(test)]\nuse a::{b, c};\n#[cfg(test)]\n#[allow(x)]\npub(crate) mod harness;\nmod tests;\nfn f() {}\n"
        self.assertEqual(code_of(text), (2, {"harness"}))

    def test_files_for_tests_do_not_count(self):
        files = {
            "src/a/mod.rs": "#[cfg(test)]\nmod world;\nmod b;\n",
            "src/a/world.rs": "fn f() {}\n",
            "src/a/world/deep.rs": "fn f() {}\n",
            "src/a/b.rs": "fn f() {}\nfn g() {}\n",
            "src/a/b/tests.rs": "fn f() {}\n",
            "src/a/tests/c.rs": "fn f() {}\n",
            "src/main.rs": "fn main() {}\n",
            "dpdk-sys/build.rs": "fn main() {}\n",
        }
        self.assertEqual(count(files), {"src/a": 3, "src/main": 1, "dpdk-sys": 1})


if __name__ == "__main__":
    unittest.main()
