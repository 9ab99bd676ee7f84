"""The handbook: its links lead somewhere, its configuration files are right, and what it shows of a session is what is typed and comes."""

import re
import subprocess
import tempfile
import tomllib
import unittest
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from standing import SCRIPTS
from handbook import links, parts
from handbook.pages import REPOSITORY, SHIPPED, SOURCE, blocks, chapters, prose
from handbook.room import Room
from handbook.session import REASONS, not_run, play
from handbook.transcript import exchanges, matches
from lab.appliance import binary

#: The file that parts of files are put into.
WHOLE = SHIPPED / "trial/fairlead.toml"
LANGUAGES = {"console", "toml", "text", "xml"}
#: What our program is called in a text, and a word of it.
COMMAND = re.compile(r"`fairlead ([a-z][^`]*)`")
WORD = re.compile(r"[a-z][a-z-]*")
#: A help says so where the next word is a command.
SUBCOMMANDS = re.compile(r"^Commands:", re.MULTILINE)
#: A test's name has words, and says so.
TEST = re.compile(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+){3,})`")
#: Reasons of what other tests run: scripts/packages, the build itself, and those that the reason names.
ELSEWHERE = {"package", "build", "pair", "daemon"}
PROGRAMS = {"snmpget", "snmpwalk", "podman", "ip", "apt-get", "systemctl", "scripts/setup", "scripts/package", "fairlead"}


def every_block():
    """All fenced blocks of all pages."""
    return [block for page in chapters() for block in blocks(page)]


class Pages(unittest.TestCase):
    def test_every_page_is_in_the_summary_once(self):
        written = {page for page in SOURCE.rglob("*.md") if page.name != "SUMMARY.md"}
        listed = chapters()
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual({page for page in listed if not page.is_file()}, set())
        self.assertEqual(written - set(listed), set())

    def test_links_lead_to_what_is_there(self):
        for page in chapters():
            with self.subTest(page.relative_to(SOURCE)):
                self.assertEqual(links.broken(page), [])

    def test_every_fence_says_what_is_in_it(self):
        for block in every_block():
            with self.subTest(block.place):
                self.assertIn(block.language, LANGUAGES)

    def test_pictures_are_whole_and_bring_their_own_background(self):
        pictures = sorted((SOURCE / "pictures").glob("*.svg"))
        self.assertGreater(len(pictures), 3)
        for picture in pictures:
            with self.subTest(picture.name):
                root = ElementTree.parse(picture).getroot()
                _, _, width, height = map(float, root.attrib["viewBox"].split())
                self.assertNotIn("href", picture.read_text())
                # Legible on dark pages too: dark on a light ground of its own.
                papers = [each for each in root.iter() if each.attrib.get("class") == "paper"]
                self.assertEqual([(float(each.attrib["width"]), float(each.attrib["height"])) for each in papers], [(width - 2, height - 2)])
                used = any(picture.name in prose(page) for page in chapters())
                self.assertTrue(used, "no page shows it")

    def test_files_that_are_named_exist(self):
        found = 0
        for page in SOURCE.glob("*.md"):
            text = page.read_text()
            for path in re.findall(r"`((?:tests|scripts|benches|dpdk-config)/[\w./-]+)`", text):
                found += 1
                self.assertTrue((REPOSITORY / path).exists(), f"{page.name}: {path}")
            for name in re.findall(r"`(test_\w+\.py)`", text):
                self.assertTrue((REPOSITORY / "tests/lab" / name).exists(), f"{page.name}: {name}")
        self.assertGreater(found, 5)

    def test_tests_that_the_page_of_security_names_exist(self):
        page = (SOURCE / "security.md").read_text()
        named = {name for row in page.splitlines() if row.startswith("| ") for name in TEST.findall(row.split("|")[-2])}
        self.assertGreater(len(named), 20)
        sources = [path.read_text() for folder in ("src", "tests") for kind in ("*.rs", "*.py") for path in (REPOSITORY / folder).rglob(kind)]
        there = set(re.findall(r"\b(?:fn|def) (?:test_)?(\w+)", "\n".join(sources)))
        self.assertEqual({name for name in named if name.removeprefix("test_") not in there}, set())


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Files name keys and certificates, which must be there.
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name in ("pair", "peer"):
            key, certificate = cls.folder / f"{name}-key.pem", cls.folder / f"{name}.pem"
            make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
            subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
            key.chmod(0o600)

    def check(self, text: str, file: str = "-") -> None:
        text = text.replace("/etc/fairlead/p", f"{self.folder}/p")
        if file != "-":
            Path(file).write_text(text)
        done = subprocess.run([binary(), "check", file], input=text, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_including(self, text: str) -> None:
        """A file that names others, with files of these names beside it."""
        route = '[[route]]\nto = "{}"\nvia = "192.0.2.1"\n'
        (self.folder / "pairs.d").mkdir(exist_ok=True)
        (self.folder / "pairs.d/first.toml").write_text(route.format("198.51.100.0/24"))
        (self.folder / "pair.template").write_text(route.format("${to}"))
        (self.folder / "pairs.csv").write_text("to\n198.18.0.0/16\n198.19.0.0/16\n")
        self.check(text, f"{self.folder}/fairlead.toml")

    def test_every_file_and_every_part_of_one_is_right(self):
        whole = WHOLE.read_text()
        shown = [block for block in every_block() if block.language == "toml"]
        self.assertGreater(len(shown), 10)
        for block in shown:
            with self.subTest(block.place):
                if {"include", "template"} & tomllib.loads(block.text).keys():
                    self.check_including(f"{block.text}{whole}")
                    continue
                self.check(block.text if "[[port]]" in block.text and "part" not in block.attributes else parts.joined(whole, block.text))

    def test_a_part_goes_where_it_belongs(self):
        whole = '[a]\nx = 1\ny = [1]\n[[b]]\nname = "one"\nz = 1\n'
        part = '[a]\nx = 2\n[c]\nd = { e = "f" }\n[[b]]\nname = "one"\nz = 2\n[[b]]\nname = "two"\n'
        expected = '[a]\nx = 2\ny = [1]\n[[b]]\nname = "one"\nz = 2\n[[b]]\nname = "two"\n[c]\nd = { e = "f" }\n'
        self.assertEqual(parts.joined(whole, part), expected)


class Commands(unittest.TestCase):
    def is_known(self, typed: str) -> bool:
        """Whether there is this command of `fairlead`, and its options."""
        plain: list[str] = []
        said = None
        for word in typed.split():
            # What follows the last subcommand is an argument.
            if not WORD.fullmatch(word) or (said is not None and not SUBCOMMANDS.search(said)):
                break
            plain.append(word)
            said = self.helped(plain)
            if said is None:
                return False
        options = re.findall(r"(?<!\S)--[a-z-]+", typed)
        return said is not None and all(re.search(rf"(?<![\w-]){option}\b(?!-)", said) for option in options)

    helps: dict[tuple[str, ...], str | None] = {}

    def helped(self, words: list[str]) -> str | None:
        key = tuple(words)
        if key not in self.helps:
            done = subprocess.run([binary(), "help", *words], capture_output=True, text=True)
            self.helps[key] = done.stdout if done.returncode == 0 else None
        return self.helps[key]

    def test_what_there_is_not_is_not_known(self):
        for typed, known in (
            ("member drain sip-a", True),
            ("member drian sip-a", False),
            ("membres", False),
            ("members --json", True),
            ("members --js", False),
            ("check --her", False),
            ("explain udp 192.0.2.1:5060 10.20.0.100:5060", True),
        ):
            with self.subTest(typed):
                self.assertEqual(self.is_known(typed), known)

    def test_commands_in_the_text_exist(self):
        typed = {(page.name, command) for page in SOURCE.glob("*.md") for command in COMMAND.findall(prose(page))}
        self.assertGreater(len(typed), 60)
        for page, command in sorted(typed):
            with self.subTest(page=page, command=command):
                self.assertTrue(self.is_known(command))

    def test_what_is_not_run_says_why_and_exists_as_far_as_can_be_seen(self):
        reasons: Counter[str] = Counter()
        for block in not_run():
            with self.subTest(block.place):
                reason = block.attributes["not-run"]
                self.assertIn(reason, REASONS)
                for exchange in exchanges(block):
                    reasons[reason] += 1
                    program, _, rest = exchange.command.partition(" ")
                    self.assertIn(program, PROGRAMS)
                    if program == "fairlead" and not rest.startswith("-"):
                        self.assertTrue(self.is_known(rest), exchange.command)
                    if program.startswith("scripts/"):
                        self.assertTrue((SCRIPTS.parent / program).is_file())
        print("\n".join(f"not run: {count} {reason}: {REASONS[reason]}" for reason, count in sorted(reasons.items())))
        # What no other test runs. More of them is a decision, not an accident.
        self.assertLessEqual(sum(count for reason, count in reasons.items() if reason not in ELSEWHERE), 14)


class Session(unittest.TestCase):
    def test_what_is_typed_gives_what_is_shown(self):
        played = 0
        with Room(binary()) as room:
            for outcome in play(room):
                played += 1
                with self.subTest(outcome.block.place, command=outcome.exchange.command.splitlines()[0]):
                    shown = "\n".join(outcome.exchange.said)
                    self.assertTrue(outcome.is_well, f"exit code {outcome.code}, and this came:\n{outcome.came}\ninstead of:\n{shown}")
        self.assertGreater(played, 60)

    def test_an_elision_stands_for_what_varies_and_for_nothing_else(self):
        for said, came, figures, fits in (
            (("a", "...", "d"), "a\nb\nc\nd\n", False, True),
            (("a", "...", "d"), "a\nd\n", False, True),
            (("a", "...", "d"), "a\nb\n", False, False),
            (("up ... calls  x",), "up 12 calls x", False, True),
            (("for 18.9s, 3 of 3",), "for 120ms, 3 of 3", False, True),
            (("for 18.9s, 3 of 3",), "for 18.9s, 2 of 3", False, False),
            (("3 frames, 1,234 bytes at 10.20.0.1",), "4 frames, 99 bytes at 10.20.0.1", True, True),
            (("3 frames at 10.20.0.1",), "3 frames at 10.20.0.2", True, False),
            (("at 36:4c:09:0d:bc:2e",), "at 02:00:00:00:00:01", False, True),
            ((), "\n", False, True),
            ((), "more", False, False),
            (("a",), "a\nb", False, False),
        ):
            with self.subTest(said=said, came=came):
                self.assertEqual(matches(said, came, figures), fits)


if __name__ == "__main__":
    unittest.main()
