"""The handbook as a reader's browser gets it: mdBook, as `scripts/setup --long` installs it, makes it without a complaint."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from handbook.pages import BOOK, SOURCE, chapters

LINK = re.compile(r'(?:href|src)="([^"#:?]+)(?:[#?][^"]*)?"')


def mdbook() -> str:
    """The program, of whoever runs this or has called sudo."""
    home = os.path.expanduser(f"~{os.environ.get('SUDO_USER', '')}")
    found = shutil.which("mdbook") or shutil.which("mdbook", path=f"{home}/.cargo/bin")
    if not found:
        raise AssertionError("there is no mdbook: run scripts/setup --long")
    return found


class Html(unittest.TestCase):
    def test_each_page_is_made_and_what_it_names_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([mdbook(), "build", str(BOOK), "--dest-dir", folder], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotRegex(done.stderr, r"WARN|ERROR")
            for page in chapters():
                relative = page.relative_to(SOURCE)
                made = Path(folder) / relative.with_suffix(".html")
                self.assertTrue(made.is_file(), relative)
                for link in LINK.findall(made.read_text()):
                    target = Path(folder) / link[1:] if link.startswith("/") else made.parent / link
                    self.assertTrue(target.exists(), f"{relative}: {link}")


if __name__ == "__main__":
    unittest.main()
