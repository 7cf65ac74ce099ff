"""Programs that start a server themselves: the app is taken from the call, and nothing listens."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

# Loads the app that `entry.json` in the current folder describes, and asks it for one page.
ASK = """
import json, os, sys
import dyno_load, dyno_serve
dyno_load.ENTRY = "entry.json"
dyno_load.begin = lambda folders, argv: sys.path.insert(0, os.getcwd())
dyno_load.folders_of = lambda entry: []
dyno_load.wsgi = dyno_load.plain = lambda app: app
dyno_serve.PACKAGES = os.path.join(os.getcwd(), "packages")
sys.path.append(dyno_serve.PACKAGES)
try:
    app = dyno_load.load()
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(b"".join(app({}, print)).decode())
"""
APP = "def app(environ, start_response):\n    return [b'served ' + NAME.encode()]\n"
# As Bottle has them: a program calls `run`, which listens.
BOTTLE = """
def default_app(): return lambda environ, start_response: [b'served default']
class Bottle:
    def __call__(self, environ, start_response): return [b'served own']
    def run(self, **named): raise AssertionError('it listens')
def run(app=None, **named): raise AssertionError('it listens')
"""


class Programs(unittest.TestCase):
    def serve(self, text, name="app.py", entry=None):
        with tempfile.TemporaryDirectory() as folder:
            files = {name: text, "packages/bottle.py": BOTTLE}
            files["entry.json"] = json.dumps(entry or {"module": "", "app": "", "script": name, "path": [""]})
            for file, content in files.items():
                path = os.path.join(folder, file)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as opened:
                    opened.write(content)
            done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, timeout=60)
            return (done.stdout + done.stderr).strip()

    def test_wsgiref(self):
        start = "NAME = __name__\nfrom wsgiref.simple_server import make_server\n" + APP
        guarded = start + "if __name__ == '__main__':\n    with make_server('', 8000, app) as server:\n        server.serve_forever()\n"
        self.assertEqual(self.serve(guarded), "served __main__")
        in_function = start + "def main():\n    try:\n        make_server('', 8000, app).serve_forever()\n    except Exception:\n        pass\nmain()\n"
        self.assertEqual(self.serve(in_function), "served __main__")

    def test_bottle(self):
        self.assertEqual(self.serve("import bottle\nbottle.run(host='localhost', port=8080)\n"), "served default")
        self.assertEqual(self.serve("from bottle import Bottle\napp = Bottle()\napp.run(port=8080)\n"), "served own")
        self.assertEqual(self.serve("import bottle\nbottle.run(bottle.Bottle(), server='wsgiref')\n"), "served own")

    def test_what_runs_before_the_server(self):
        text = "NAME = 'x'\n" + APP + "if __name__ == '__main__':\n    NAME = 'prepared'\n"
        self.assertEqual(self.serve(text), "served prepared", "a program without a server may have an app")

    def test_module(self):
        text = "NAME = __package__\nfrom wsgiref.simple_server import make_server\n" + APP + "make_server('', 1, app)\n"
        entry = {"module": "", "app": "", "script_module": "shop", "path": [""]}
        self.assertEqual(self.serve(text, "shop/__main__.py", entry), "served shop")

    def test_no_server(self):
        told = self.serve("print('hello')\n")
        self.assertIn("app.py ended without starting a server: call `app.run()`", told)
        self.assertIn("app.py ended with 'no settings'", self.serve("import sys\nsys.exit('no settings')\n"))

    def test_named(self):
        factory = "def create_app(stage, debug=True):\n    return lambda environ, start_response: [f'{stage} {debug}'.encode()]\n"
        entry = {"module": "shop", "app": "create_app('prod', debug=False)", "path": [""]}
        self.assertEqual(self.serve(factory, "shop.py", entry), "prod False")
        usual = {"module": "shop", "app": "", "path": [""], "env": {"STAGE": "set"}}
        text = "import os\napplication = lambda environ, start_response: [os.environ['STAGE'].encode()]\n"
        self.assertEqual(self.serve(text, "shop.py", usual), "set")
        missing = {"module": "shop", "app": "nothing", "path": [""]}
        self.assertIn("has no callable `nothing`", self.serve(text, "shop.py", missing))


if __name__ == "__main__":
    unittest.main()
