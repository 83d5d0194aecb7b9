"""Runs the first examples of README.md as they stand there.

    test_readme.py --mailboat PROGRAM [unittest arguments]

Compilers find the library through pkg-config, as users' do.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAR_TOO_LONG = 300
mailboat = None


def example(language):
    """The first block of code in this language after the heading."""
    text = (ROOT / "README.md").read_text().split("## First example", 1)[1]
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL).group(1)


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mailboat-readme-"))
        self.addCleanup(shutil.rmtree, self.folder)
        domain = Path(tempfile.mkdtemp(prefix="mailboat-readme-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, domain)
        self.env = {**os.environ, "MAILBOAT_DOMAIN": str(domain / "domain")}
        self.env["PATH"] = f"{mailboat.parent}:{self.env['PATH']}"

    def run_in_folder(self, command):
        ended = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=FAR_TOO_LONG
        )
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        return ended.stdout

    def build(self, compiler, name, language):
        (self.folder / name).write_text(example(language))
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "mailboat"], capture_output=True, text=True, check=True
        ).stdout
        self.run_in_folder([*compiler, "-Wall", "-Wextra", "-Werror", "-o", "program", name, *shlex.split(flags)])

    def test_shell(self):
        self.assertEqual(self.run_in_folder(["sh", "-e", "-c", example("sh")]), "hello\n")

    def test_python(self):
        (self.folder / "example.py").write_text(example("python"))
        self.assertEqual(self.run_in_folder([sys.executable, "example.py"]), "b'hello'\n")

    def test_c(self):
        self.build(["cc", "-std=c99"], "x.c", "c")
        self.assertEqual(self.run_in_folder(["./program"]), "hello\n")

    def test_cpp(self):
        self.build(["c++", "-std=c++17"], "x.cc", "cpp")
        self.assertEqual(self.run_in_folder(["./program"]), "hello\n")

    def test_rust(self):
        (self.folder / "src").mkdir()
        (self.folder / "src/main.rs").write_text(example("rust"))
        (self.folder / "Cargo.toml").write_text(
            '[package]\nname = "readme-example"\nversion = "0.0.0"\nedition = "2021"\n'
            f'[dependencies]\nmailboat = {{ path = "{ROOT}/core" }}\n[workspace]\n'
        )
        shutil.copy(ROOT / "Cargo.lock", self.folder)
        self.assertEqual(self.run_in_folder(["cargo", "run", "--quiet"]), "hello\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mailboat", required=True, type=Path)
    known, rest = parser.parse_known_args()
    mailboat = known.mailboat.resolve()
    unittest.main(argv=[sys.argv[0], *rest], buffer=True)
