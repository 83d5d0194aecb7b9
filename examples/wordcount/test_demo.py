"""The demo over small and awkward folders, interrupted, and made to disagree.

    test_demo.py --reader PROGRAM --collector PROGRAM [unittest arguments]
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import reference
import run

HERE = Path(__file__).resolve().parent
LINE = re.compile(
    r"messages (\d+), bytes (\d+), kills (\d+), redelivered (\d+), lost (\d+), duplicated (\d+), seconds \d+\.\d\n"
)
FAR_TOO_LONG = 300
programs = []


def places():
    return set(Path(run.PLACE).glob(run.PREFIX + "*"))


def processes_in(place):
    """Processes whose domain is below this directory."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"MAILBOAT_DOMAIN={place}/".encode() in environ.read_bytes():
                found.append(environ.parent.name)
        except OSError:
            pass  # ended meanwhile, or somebody else's
    return found


class Folder(unittest.TestCase):
    def setUp(self):
        self.before = places()
        self.folder = Path(tempfile.mkdtemp(prefix="mailboat-words-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def start(self, *options, prefix=()):
        command = [*prefix, sys.executable, HERE / "run.py", *programs, "--input", self.folder, *options]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def demo(self, *options, prefix=(), status=0):
        """Runs the demo; its table, the numbers of its last line, and what it said."""
        process = self.start(*options, prefix=prefix)
        try:
            out, err = process.communicate(timeout=FAR_TOO_LONG)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
            self.fail(f"the demo hangs\n{out}\n{err}")
        self.assertEqual(process.returncode, status, out + err)
        self.assertEqual(places(), self.before, "a directory was left behind")
        table, last = out.splitlines(keepends=True)[:-1], out.splitlines(keepends=True)[-1]
        match = LINE.fullmatch(last)
        self.assertTrue(match, out + err)
        names = "messages", "bytes", "kills", "redelivered", "lost", "duplicated"
        return table, dict(zip(names, map(int, match.groups()))), err

    def assertGood(self, figures, length):
        self.assertEqual(figures["bytes"], length)
        self.assertEqual(figures["kills"], 2)
        self.assertGreaterEqual(figures["redelivered"], 2)
        self.assertEqual((figures["lost"], figures["duplicated"]), (0, 0))


class Inputs(Folder):
    def test_text(self):
        rng = random.Random(1)
        words = ["the", "of", "a_b", "Z9", "ship", "boat", "mail", "x" * 300]
        length = 0
        for number in range(60):
            text = "".join(rng.choice(words) + rng.choice([" ", "\n", ", "]) for _ in range(rng.randrange(3000)))
            length += len(self.write(f"{number % 7}/{number}.txt", text.encode()).read_bytes())
        table, figures, _ = self.demo("--piece", "4096")
        self.assertGood(figures, length)
        self.assertEqual(len(table), len(words))
        self.assertEqual(int(table[0].split()[0]), 1)
        self.assertTrue(table[-1].split()[2].startswith("xxx") or any("xxx..." in line for line in table))

    def test_an_empty_folder(self):
        table, figures, _ = self.demo()
        self.assertGood(figures, 0)
        self.assertEqual(table, ["no words\n"])

    def test_empty_files(self):
        for name in "a", "b", "c/d":
            self.write(name, b"")
        table, figures, _ = self.demo()
        self.assertGood(figures, 0)
        self.assertEqual(table, ["no words\n"])

    def test_one_small_file_is_an_input_too(self):
        path = self.write("one", b"boat boat ship")
        table, figures, _ = self.demo("--input", path)
        self.assertGood(figures, 14)
        self.assertEqual([line.split()[1:] for line in table], [["2", "boat"], ["1", "ship"]])

    def test_binary_files(self):
        data = random.Random(2).randbytes(300_000)
        self.write("random", data)
        self.write("zeros", bytes(100_000))
        self.write("all", bytes(range(256)) * 100)
        _, figures, _ = self.demo("--piece", "1024")
        self.assertGood(figures, 300_000 + 100_000 + 25_600)

    def test_words_longer_than_a_piece(self):
        data = b"y" * 10_000 + b" " + b"z" * 1024 + b"." + b"z" * 1025 + b"!" + b"y" * 1023
        self.write("long", data)
        self.write("longer", b"z" * 300_000)
        table, figures, _ = self.demo("--piece", "1500")
        self.assertGood(figures, len(data) + 300_000)
        counts = sorted(int(line.split()[1]) for line in table)
        # y: 9 whole ones, 784 left over, 1023. z: 1 + 1 + 292 whole ones, 1 and 992 left over.
        self.assertEqual(counts, [1, 1, 1, 1, 9, 294])

    def test_one_huge_file(self):
        line = b"".join(b"word%d another_word " % (n % 1000) for n in range(2000))
        path = self.folder / "huge"
        with open(path, "wb") as file:
            for _ in range(1500):
                file.write(line)
        _, figures, _ = self.demo()
        self.assertGood(figures, path.stat().st_size)

    def test_special_files_and_links_are_left_alone(self):
        self.write("text", b"counted")
        self.write("sub/text", b"counted")
        os.mkfifo(self.folder / "pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / "socket"))
            (self.folder / "loop").symlink_to(self.folder)
            (self.folder / "self").symlink_to("self")
            (self.folder / "file-link").symlink_to("text")
            (self.folder / "nowhere").symlink_to("/nowhere/at/all")
            table, figures, err = self.demo()
        self.assertGood(figures, 14)
        self.assertEqual(table[0].split(), ["1", "2", "counted"])
        self.assertIn("2 files, 0 unreadable, 6 links and special files", err)

    def test_odd_names(self):
        for name in "with space", "new\nline", "quote'\"", "-dash", "ü", "%s":
            self.write(name, b"odd")
        (self.folder / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"odd")
        table, figures, _ = self.demo()
        self.assertGood(figures, 21)
        self.assertEqual(table[0].split(), ["1", "7", "odd"])

    def test_unreadable_files_are_reported_and_skipped(self):
        self.write("good", b"counted")
        self.write("bad", b"not counted").chmod(0)
        self.write("closed/inside", b"not counted").parent.chmod(0)
        self.addCleanup((self.folder / "closed").chmod, 0o700)
        prefix = ()
        if os.geteuid() == 0:
            # The user root reads everything, unless it gives up these rights.
            drop = "-dac_override,-dac_read_search"
            prefix = ("setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}")
            if shutil.which("setpriv") is None:
                self.skipTest("root reads everything, and there is no setpriv")
        table, figures, err = self.demo(prefix=prefix)
        self.assertGood(figures, 7)
        self.assertEqual(table[0].split(), ["1", "1", "counted"])
        self.assertIn("skipped", err)
        self.assertIn(f"{self.folder}/bad: Permission denied", err)
        self.assertIn(f"{self.folder}/closed: Permission denied", err)
        self.assertIn("1 files, 2 unreadable", err)

    def test_no_folder(self):
        process = self.start("--input", self.folder / "nothing")
        _, err = process.communicate(timeout=FAR_TOO_LONG)
        self.assertEqual(process.returncode, 2)
        self.assertIn("there is no folder", err)
        self.assertEqual(places(), self.before)


class Ends(Folder):
    def running(self):
        """A demo that has killed its first worker, and so is in the middle of its work."""
        for number in range(40):
            self.write(str(number), b"boat ship mail " * 50_000)
        process = self.start("--piece", "2048")
        for line in process.stderr:
            if "killed worker" in line:
                break
        (place,) = places() - self.before
        self.assertTrue(processes_in(place))
        return process, place

    def test_a_signal_leaves_nothing_behind(self):
        for number in signal.SIGINT, signal.SIGTERM:
            with self.subTest(signal=number):
                process, place = self.running()
                process.send_signal(number)
                out, err = process.communicate(timeout=FAR_TOO_LONG)
                self.assertEqual(process.returncode, 130, out + err)
                self.assertEqual(places(), self.before)
                self.assertEqual(processes_in(place), [])

    def test_being_killed_leaves_no_process_and_the_next_run_cleans_up(self):
        process, place = self.running()
        process.kill()
        # Its pipes close when the last of the processes that hold them has gone.
        process.communicate(timeout=FAR_TOO_LONG)
        self.assertTrue(place.exists())
        self.folder = Path(tempfile.mkdtemp(prefix="mailboat-words-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.demo()
        self.assertEqual(processes_in(place), [])

    def test_a_worker_that_fails_fails_the_demo(self):
        process, place = self.running()
        workers = []
        for pid in processes_in(place):
            try:
                if b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    workers.append(int(pid))
            except OSError:
                pass  # it was the one that was killed
        os.kill(workers[-1], signal.SIGTERM)
        out, err = process.communicate(timeout=FAR_TOO_LONG)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn("ended with status -15", err)
        self.assertEqual(places(), self.before)


class Verdict(Folder):
    """The check itself must be able to fail."""

    def verdict(self, kills=2, counts=b"2 boat\n", **changes):
        self.write("text", b"boat boat")
        place = Path(tempfile.mkdtemp(prefix="mailboat-words-"))
        self.addCleanup(shutil.rmtree, place)
        (place / "counts").write_bytes(counts)
        summary = dict.fromkeys(("repeated", "duplicated", "lost", "unknown"), 0)
        summary.update(bytes=9, total_bytes=9, redelivered=2, **changes)
        (place / "summary").write_text("".join(f"{name} {value}\n" for name, value in summary.items()))
        demo = object.__new__(run.Demo)
        demo.arguments = argparse.Namespace(input=str(self.folder))
        demo.counts, demo.summary, demo.kills = place / "counts", place / "summary", kills
        return demo.verdict()[1]

    def test_what_is_right_is_right(self):
        self.assertEqual(self.verdict(), [])

    def test_what_is_wrong_is_told(self):
        for said, changes in {
            "boat 3/2": {"counts": b"3 boat\n"},
            "boat 0/2": {"counts": b""},
            "ship 1/0": {"counts": b"2 boat\n1 ship\n"},
            "1 workers": {"kills": 1},
            "1 pieces lost": {"lost": 1},
            "4 pieces duplicated": {"duplicated": 4},
            "1 pieces unknown": {"unknown": 1},
        }.items():
            wrong = self.verdict(**changes)
            self.assertTrue(any(said in sentence for sentence in wrong), (said, wrong))


class Reference(unittest.TestCase):
    """The count in one process against the rule itself."""

    def test_any_cut_of_the_file_gives_the_same_words(self):
        rng = random.Random(3)
        data = b"".join(
            rng.choice([b"a" * rng.randrange(3000), b" ", b"\0", b"word", b"\xff", b"_9", b"\n"]) for _ in range(400)
        )
        whole = re.findall(rb"[A-Za-z0-9_]{1,1024}", data)
        for size in 1, 2, 1023, 1024, 1025, 5000, len(data):
            chunks = (data[at : at + size] for at in range(0, len(data), size))
            found = [word for some in reference.words(chunks) for word in some]
            self.assertEqual(found, whole, size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", required=True)
    parser.add_argument("--collector", required=True)
    known, rest = parser.parse_known_args()
    programs += ["--reader", os.path.abspath(known.reader), "--collector", os.path.abspath(known.collector)]
    unittest.main(argv=[sys.argv[0], *rest], buffer=True)
