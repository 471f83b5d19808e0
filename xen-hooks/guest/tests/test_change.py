# SPDX-License-Identifier: GPL-2.0-or-later
"""The change to xen-hcd fits as a whole or not at all, without a kernel's source: on a file of ours that has the places it looks for."""

import difflib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

GUEST = Path(__file__).resolve().parent.parent
CHANGE = (GUEST / "xen-hcd.change").read_text().splitlines()
SYNTHETIC = (Path(__file__).parent / "synthetic.c").read_text()
KERNEL = "6.1.0-57-amd64"


def run(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(each) for each in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def places(source: list[str]) -> list[tuple[str, int]]:
    """Each regular expression of the change but those of `without`, with the line it matches, found as change.awk should find it."""
    found, scope = [], range(0)
    for line in CHANGE:
        word, _, rule = line.partition(" ")
        if word not in ("in", "before", "after", "replace", "through"):
            continue
        [at] = [each for each in (range(len(source)) if word == "in" else scope) if re.search(rule, source[each])]
        if word == "in":
            scope = range(at, next(each for each in range(at + 1, len(source)) if source[each].startswith("}")) + 1)
        found.append((rule, at))
    return found


class Directory(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def apply(self, source: str, change: Path = GUEST / "xen-hcd.change") -> subprocess.CompletedProcess:
        return run("awk", "-f", GUEST / "change.awk", change, self.write("source.c", source))


class Change(Directory):
    def test_our_lines_are_in_and_what_they_replace_is_out_and_all_else_is_as_it_was(self):
        done = self.apply(SYNTHETIC)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = changed_lines(SYNTHETIC, done.stdout)
        ours = [line[1:] for line in CHANGE if line.startswith("+")]
        self.assertCountEqual([line[2:] for line in lines if line[0] == "+"], ours)
        self.assertEqual([line[2:].strip() for line in lines if line[0] == "-"],
                         ["while (waiting) {", "if (RING_FULL(ring))", "return;", "first = list_entry(", "struct urb_priv, list);",
                          "if (RING_FULL(ring)) {", "if (!list_empty(waiting)) {", "if (RING_FULL(ring)) {",
                          "int i;", "for (i = 0; i < XENUSB_URB_RING_SIZE; i++) {", "make(i);", "}",
                          "end_of(shadow[XENUSB_URB_RING_SIZE - 1]);"])

    def test_each_piece_is_at_its_place(self):
        text = self.apply(SYNTHETIC).stdout
        for pattern in (r"bool error;\n\tbool connected;", r"resume\(info, i\);\n\n\t\t/\*", r"xenhcd_next_pending\(info\)\)\) \{\n\t\tgo_on",
                        r"has_slot\(info, urbp\)\) \{\n\t\tqueue\(full", r"must_wait\(info, urbp->urb\)\) \{\n\t\tqueue\(behind",
                        r"has_slot\(info, urbp\)\) \{\n\t\tqueue\(unlink", r"i \+ 1;\n\n\txenhcd_kick_pending_urbs\(info\);\n\tunlock\(request_done",
                        r'"feature-resume", "%u", 1\);(?s:.){0,120}\n\terr = xenbus_transaction_end\(xbt, 0',
                        r"connected = true;(?s:.){0,120}\n\tpush\(conn_ring", r"irqsave\(lock\);\n.*\n\tinfo->actions = 0;\n\tact",
                        r"\n\tint err;\n\n\txenhcd_free_all_ids\(info\);\n\treturn hcd",
                        r"\n\}\n\nstatic void xenhcd_backend_changed", r'"feature-resume"\);\n\n\txenhcd_destroy_rings',
                        r"xenhcd_remove,\n\t\.resume\t\t\t= xenhcd_resume,\n\};"):
            self.assertRegex(text, pattern)

    def test_a_place_that_is_not_there_or_there_twice_fails_in_words(self):
        lines = SYNTHETIC.splitlines()
        found = places(lines)
        self.assertGreater(len(found), 30)
        for rule, at in found:
            for others, number in (([], 0), ([lines[at]] * 2, 2)):
                with self.subTest(rule=rule, found=number):
                    done = self.apply("\n".join(lines[:at] + others + lines[at + 1:]) + "\n")
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn(f"expected one line that matches /{rule}/ in ", done.stderr)
                    self.assertRegex(done.stderr, rf"xen-hcd.change:\d+: .* found {number}\n")

    def test_a_driver_that_resumes_already_is_left_alone(self):
        done = self.apply(SYNTHETIC.replace("\t.remove", "\t.resume = theirs,\n\t.remove"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("it needs no change, or another one", done.stderr)

    def test_a_change_that_says_nothing_or_what_is_not_understood_fails(self):
        for text, words in (("# nothing\n", "expected a change, found none"), ("in ^static\nbeside x\n", "found beside")):
            self.assertIn(words, self.apply("static\n}\n", self.write("change", text)).stderr)

    def test_every_line_is_within_80_columns_and_indented_by_tabs_as_linux_wants(self):
        for line in CHANGE:
            if line.startswith("+"):
                self.assertLessEqual(len(line[1:].expandtabs(8)), 80, line)
                self.assertNotRegex(line, r"^\+ {8}|\s$")


class Prepare(Directory):
    """What DKMS runs before it builds."""

    def setUp(self):
        super().setUp()
        self.assertEqual(run(GUEST / "install", "--destdir", self.directory).returncode, 0)
        [self.build] = self.directory.glob("usr/src/netchannel-xen-hcd-*")
        self.environment = {name: value for name, value in os.environ.items() if name != "XEN_HCD_SOURCE"}

    def prepare(self, kernel: str = KERNEL, **environment) -> subprocess.CompletedProcess:
        return run(self.build / "prepare", "--root", self.directory, kernel, env=self.environment | environment)

    def made(self) -> str | None:
        made = self.build / "xen-hcd.c"
        return made.read_text() if made.exists() else None

    def archive(self, name: str, text: str = SYNTHETIC) -> None:
        driver = self.write("unpacked/xen-hcd.c", text)
        other = self.write("unpacked/other", "other")
        with tarfile.open(self.directory / name, "w:xz") as archive:
            archive.add(other, "linux-source/drivers/usb/host/other.c")
            archive.add(driver, "linux-source/drivers/usb/host/xen-hcd.c")

    def expect_made(self, kernel: str = KERNEL, **environment) -> None:
        done = self.prepare(kernel, **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.made(), self.apply(SYNTHETIC).stdout)

    def test_an_archive_of_debian(self):
        self.archive("usr/src/linux-source-6.1.tar.xz")
        self.expect_made()

    def test_an_archive_of_ubuntu(self):
        self.write("usr/src/linux-source-6.8.0/.place", "")
        self.archive("usr/src/linux-source-6.8.0/linux-source-6.8.0.tar.xz")
        self.expect_made("6.8.0-45-generic")

    def test_a_tree_that_was_unpacked_or_the_kernel_was_built_in(self):
        for name in ("usr/src/linux-source-6.12", "lib/modules/6.12.117+deb12-amd64/build"):
            self.write(f"{name}/drivers/usb/host/xen-hcd.c", SYNTHETIC)
            self.expect_made("6.12.117+deb12-amd64")
            shutil.rmtree(self.directory / name)

    def test_what_it_is_told_by_the_environment_or_by_its_settings(self):
        self.archive("usr/src/linux-source-6.1.tar.xz", "not this one\n")
        told = self.write("told/xen-hcd.c", SYNTHETIC)
        self.expect_made(XEN_HCD_SOURCE=str(told))
        self.write("etc/default/netchannel-xen-hcd", f"XEN_HCD_SOURCE={told}\n")
        self.expect_made()

    def test_no_source_or_that_of_another_kernel(self):
        self.archive("usr/src/linux-source-6.12.tar.xz")
        self.write("usr/src/netchannel-xen-hcd-1.0/xen-hcd.c", "of another kernel")
        done = self.prepare()
        self.assertEqual((done.returncode, self.made()), (1, None))
        self.assertIn("expected the source of Linux 6.1 as", done.stderr)
        self.assertIn("apt-get install linux-source-6.1.", done.stderr)

    def test_a_source_that_the_change_does_not_fit_leaves_nothing_to_build(self):
        self.archive("usr/src/linux-source-6.1.tar.xz", SYNTHETIC.replace("conn_ring.req_prod_pvt", "other"))
        done = self.prepare()
        self.assertEqual((done.returncode, self.made()), (1, None))
        self.assertIn("in /^static int xenhcd_connect[(]/, found 0", done.stderr)
        self.assertIn("the change does not fit", done.stderr)

    def test_an_archive_without_the_driver(self):
        with tarfile.open(self.directory / "usr/src/linux-source-6.1.tar.xz", "w:xz"):
            pass
        done = self.prepare()
        self.assertEqual((done.returncode, self.made()), (1, None))
        self.assertIn("expected drivers/usb/host/xen-hcd.c in ", done.stderr)


class Package(Directory):
    def test_it_has_what_dkms_needs_and_is_the_same_each_time(self):
        packages = []
        for name in ("one", "two"):
            done = run(GUEST / "build-deb", self.directory / name)
            self.assertEqual(done.returncode, 0, done.stderr)
            packages += (self.directory / name).glob("netchannel-xen-hcd-dkms_*_all.deb")
        self.assertEqual(*[each.read_bytes() for each in packages])
        run("dpkg-deb", "-R", packages[0], self.directory / "raw", check=True)
        [tree] = (self.directory / "raw/usr/src").iterdir()
        self.assertEqual(sorted(each.name for each in tree.iterdir()), ["Kbuild", "change.awk", "dkms.conf", "prepare", "xen-hcd.change"])
        version = re.search(r'PACKAGE_VERSION="(.*)"', (tree / "dkms.conf").read_text())[1]
        control = self.directory / "raw/DEBIAN"
        self.assertEqual(tree.name, f"netchannel-xen-hcd-{version}")
        self.assertIn(f"\nVersion: {version}\n", (control / "control").read_text())
        for script in ("postinst", "prerm"):
            self.assertIn(version, (control / script).read_text())
        for each in control.iterdir():
            self.assertNotRegex(each.read_text(), "@[A-Z]+@", each.name)

    def test_the_scripts_are_what_shellcheck_wants(self):
        scripts = [GUEST / name for name in ("prepare", "install", "build-deb", "debian/postinst", "debian/prerm")]
        done = run("shellcheck", *scripts)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
