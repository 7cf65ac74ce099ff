"""The command line is Python's: each case runs by ordinary Python and by the shim, and both say the same."""

import os
import subprocess
import sys
import tempfile
import unittest

SHIM = "import sys, dyno_command; import os; os._exit(dyno_command.run(sys.argv[1:]))"


def run(start, words, folder, stdin):
    settings = {"env": {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": ""}, "cwd": folder}
    done = subprocess.run([sys.executable, *start, *words], input=stdin, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout, done.stderr


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("hello.py", "import sys\nprint(sys.argv, __name__, __file__ == sys.path[0] + '/hello.py')\n")
        self.write("jobs/__init__.py", "")
        self.write("jobs/__main__.py", "import sys\nprint('jobs', sys.argv[1:], __name__, __package__)\n")
        self.write("jobs/clean.py", "import sys\nprint(__name__, __spec__.name, sys.argv[1:], 'jobs' in sys.argv[0])\n")
        self.write("jobs/neighbour.py", "import clean_me\n")
        self.write("jobs/clean_me.py", "print('imported from the folder of the script')\n")

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def same(self, *words, stdin="", stderr=True):
        python = run([], words, self.folder.name, stdin)
        shim = run(["-c", SHIM], words, self.folder.name, stdin)
        self.assertEqual(shim[:2], python[:2], shim[2])
        if stderr:
            self.assertEqual(shim[2].splitlines()[-1:], python[2].splitlines()[-1:])
        return shim

    def test_file(self):
        self.assertIn("True", self.same("hello.py", "a", "-b", "--c")[1])
        self.same("jobs/neighbour.py")
        self.same("jobs", "x")
        self.same("-u", "-B", "hello.py", "-u")

    def test_module(self):
        self.assertIn("'x'", self.same("-m", "jobs.clean", "x")[1])
        self.same("-mjobs.clean")
        self.same("-m", "jobs", "migrate", "--all")
        self.same("-m", "json.tool", stdin='{"a": [1]}')
        self.same("-m", "nowhere", stderr=False)

    def test_code(self):
        self.assertEqual(self.same("-c", "import sys; print(sys.argv, __name__, repr(sys.path[0]))", "a", "-m")[0], 0)
        self.same("-cprint(1)", "-c")
        self.same("-Wignore", "-c", "import warnings; warnings.warn('x'); print('quiet')")
        self.same("-W", "error", "-c", "import warnings; warnings.warn('x')")

    def test_stdin(self):
        self.same(stdin="import sys; print(sys.argv, __name__)")
        self.same("-", "a", stdin="import sys; print(sys.argv, __name__)")
        self.assertEqual(self.same("-c", "print(input(), input())", stdin="a\nb\n")[1], "a b\n")

    def test_version(self):
        for words in (["-V"], ["--version"], ["-VV"]):
            self.same(*words)

    def test_exit_codes(self):
        cases = ["", "0", "None", "3", "256", "300", "-1", "True", "False", "'words'", "(1, 2)", "2.5"]
        for value in cases:
            with self.subTest(value=value):
                self.same("-c", f"import sys; print('out'); sys.exit({value})")
        self.same("-c", "raise SystemExit")
        self.same("-c", "exit(4)")

    def test_errors(self):
        self.same("-c", "1/0")
        self.same("-c", "def f(:")
        self.same("-c", "try: 1/0\nexcept ZeroDivisionError as e: raise KeyError('x') from e")
        self.same("-c", "import sys; sys.excepthook = lambda *a: print('mine', a[0].__name__); 1/0")
        self.same("-c", "import nowhere_at_all")
        self.assertEqual(self.same("nowhere.py", stderr=False)[0], 2)
        self.assertEqual(self.same("-m", stderr=False)[0], 2)
        self.assertEqual(self.same("-c", stderr=False)[0], 2)
        self.assertEqual(self.same("-z", stderr=False)[0], 2)
        self.assertEqual(self.same("--nothing", stderr=False)[0], 2)

    def test_a_traceback_has_the_programs_frames_alone(self):
        self.write("deep.py", "def f():\n    return [][1]\nf()\n")
        told = self.same("deep.py")[2]
        self.assertEqual(told.count("Traceback"), 1)
        self.assertEqual(told.count("File "), 2, told)
        self.assertNotIn("dyno_", told)
        told = self.same("-m", "deep")[2]
        self.assertEqual(told.count("File "), 2, told)

    def test_the_end(self):
        self.same("-c", "import atexit; atexit.register(print, 'bye'); print('hello'); raise SystemExit(5)")
        self.same("-c", "import sys; sys.stdout.write('no line end')")
        self.same("-c", "import sys; sys.stdout.close()")


if __name__ == "__main__":
    unittest.main()
