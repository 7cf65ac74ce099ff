"""Reads an app's Python files by Python's own parser and prints what they say, as JSON. It runs none of them.

Input: paths of files, from the current folder, each ended by NUL. Output, one object:

  modules   one object a file: `file`, `error` (line and text, where this Python cannot parse it), `imports`, `defines`
            (names at the top level), `made` (a name and the callable that made it, as in `app = Flask(…)`), `texts` (a
            name and the literal text that it is set to), `words` (dotted names in texts), `settings` (Django's settings
            module, where the file sets it by default), `serves` (how a server is started: `script`, if only a program
            does it, `import`, if the import does)
  setup     what setup.py and setup.cfg say: `requires`, `package_dir`, `scripts`, `computed`
  library   names of the library's modules
  uwsgi     options of each `*.ini` file that has a section for uWSGI

An import is `always` done when the file is imported, `maybe` (under a condition), `later` (in a function), or `caught`:
the file goes on without the module.
"""

import ast
import configparser
import json
import os
import re
import sys

TARGET_VERSION = (3, 14)
TARGET_PLATFORM = "wasi"
# Modules of that version's library which an older Python that runs this does not know.
NEW_IN_LIBRARY = ("annotationlib", "compression", "concurrent", "string", "tomllib")
FILE_BYTES_MAX = 4 << 20
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+\Z")
WORDS_MAX = 2000
MISSING_MODULE = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
# Weakest first: of two places that import the same, the stronger one counts.
STRENGTH = {"caught": 0, "later": 1, "maybe": 2, "always": 3}


def main():
    # Long sums of lists or texts nest deeply.
    sys.setrecursionlimit(10_000)
    paths = [path for path in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\0") if path]
    modules, uwsgi = [], {}
    for path in paths:
        if path.endswith(".py"):
            modules.append(facts_of_file(path))
        elif path.endswith(".ini"):
            options = uwsgi_options(path)
            if options:
                uwsgi[path] = options
    library = sorted({*sys.stdlib_module_names, *NEW_IN_LIBRARY})
    facts = {"modules": modules, "setup": setup_facts(paths), "uwsgi": uwsgi, "library": library}
    json.dump(facts, sys.stdout, ensure_ascii=True)


def facts_of_file(path):
    module = {"file": path, "error": None}
    try:
        with open(path, "rb") as file:
            source = file.read(FILE_BYTES_MAX + 1)
        if len(source) > FILE_BYTES_MAX:
            raise ValueError("longer than 4 MiB")
        tree = ast.parse(source, path)
        visitor = ModuleVisitor()
        visitor.visit_body(tree.body, "always")
        module.update(visitor.facts())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        text = getattr(error, "text", None)
        message = getattr(error, "msg", None) or str(error) or type(error).__name__
        module["error"] = {"line": line, "message": message, "text": text.strip() if text else ""}
    return module


class ModuleVisitor:
    """Walks one file's statements; `when` says how far it is sure that a statement is executed."""

    def __init__(self):
        self.imports = {}
        self.defines = {}
        self.made = {}
        self.texts = {}
        self.words = set()
        self.settings = None
        self.serves = None
        self.in_script = False

    def facts(self):
        imports = [
            {"level": level, "module": module, "name": name, "line": line, "when": when}
            for (level, module, name), (when, line) in self.imports.items()
        ]
        return {
            "imports": imports,
            "defines": list(self.defines),
            "made": self.made,
            "texts": self.texts,
            "words": sorted(self.words)[:WORDS_MAX],
            "settings": self.settings,
            "serves": self.serves,
        }

    def visit_body(self, body, when):
        for statement in body:
            self.visit_statement(statement, when)

    def visit_statement(self, node, when):
        visit = getattr(self, f"visit_{type(node).__name__}", None)
        if visit:
            visit(node, when)
        else:
            self.visit_parts(node, when)

    def visit_parts(self, node, when):
        """A statement without a rule of its own: its expressions, and the statements in it."""
        for _, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self.visit_statement(child, when)
                elif isinstance(child, ast.AST):
                    self.visit_expression(child, when)

    # Imports

    def visit_Import(self, node, when):
        for alias in node.names:
            self.add_import(0, alias.name, "", node.lineno, when)
            self.define(alias.asname or alias.name.partition(".")[0], when)

    def visit_ImportFrom(self, node, when):
        for alias in node.names:
            self.add_import(node.level, node.module or "", alias.name, node.lineno, when)
            self.define(alias.asname or alias.name, when)

    def add_import(self, level, module, name, line, when):
        key = (level, module, name)
        known = self.imports.get(key)
        if known is None or STRENGTH[known[0]] < STRENGTH[when]:
            self.imports[key] = (when, line)

    # Conditions

    def visit_If(self, node, when):
        holds = static_truth(node.test)
        if is_main_test(node.test):
            self.in_script, before = True, self.in_script
            self.visit_body(node.body, weaker(when, "maybe"))
            self.in_script = before
            self.visit_body(node.orelse, when)
            return
        self.visit_expression(node.test, when)
        branch = when if holds is not None else weaker(when, "maybe")
        if holds is not False:
            self.visit_body(node.body, branch)
        if holds is not True:
            self.visit_body(node.orelse, branch)

    def visit_Try(self, node, when):
        catches = any(catches_missing_module(handler.type) for handler in node.handlers)
        self.visit_body(node.body, weaker(when, "caught") if catches else when)
        for handler in node.handlers:
            self.visit_body(handler.body, weaker(when, "maybe"))
        self.visit_body(node.orelse, weaker(when, "maybe") if catches else when)
        self.visit_body(node.finalbody, when)

    visit_TryStar = visit_Try

    def visit_With(self, node, when):
        suppresses = any(is_suppress(item.context_expr) for item in node.items)
        for item in node.items:
            self.visit_expression(item.context_expr, when)
        self.visit_body(node.body, weaker(when, "caught") if suppresses else when)

    visit_AsyncWith = visit_With

    def visit_For(self, node, when):
        self.visit_expression(node.iter, when)
        self.visit_body(node.body, weaker(when, "maybe"))
        self.visit_body(node.orelse, when)

    def visit_While(self, node, when):
        self.visit_expression(node.test, when)
        self.visit_body(node.body, weaker(when, "maybe"))
        self.visit_body(node.orelse, weaker(when, "maybe"))

    def visit_Match(self, node, when):
        for case in node.cases:
            self.visit_body(case.body, weaker(when, "maybe"))

    # Definitions

    def visit_FunctionDef(self, node, when):
        self.define(node.name, when)
        for expression in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
            if expression is not None:
                self.visit_expression(expression, when)
        self.visit_inner(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_inner(self, body):
        inner = ModuleVisitor()
        inner.visit_body(body, "later")
        for (level, module, name), (when, line) in inner.imports.items():
            self.add_import(level, module, name, line, when)
        self.words |= inner.words
        self.settings = self.settings or inner.settings
        if inner.serves and self.serves is None:
            # A function such as `main()` that starts a server, which only a program calls.
            self.serves = "script"

    def visit_ClassDef(self, node, when):
        self.define(node.name, when)
        for expression in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit_expression(expression, when)
        inner = ModuleVisitor()
        inner.visit_body(node.body, when)
        for (level, module, name), (found, line) in inner.imports.items():
            self.add_import(level, module, name, line, found)
        self.words |= inner.words

    def visit_Assign(self, node, when):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        for target in node.targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    self.define(part.id, when)
        self.assign(names, node.value, when)

    def visit_AnnAssign(self, node, when):
        if isinstance(node.target, ast.Name) and node.value is not None:
            self.define(node.target.id, when)
            self.assign([node.target.id], node.value, when)

    def assign(self, names, value, when):
        self.visit_expression(value, when)
        if when == "later":
            return
        for name in names:
            if isinstance(value, ast.Call):
                self.made[name] = last_name(value.func)
            elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                self.texts[name] = value.value

    def define(self, name, when):
        if when != "later" and not self.in_script:
            self.defines[name] = None

    # Expressions

    def visit_expression(self, node, when):
        if isinstance(node, ast.Lambda):
            when = weaker(when, "later")
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and len(node.value) < 200 and DOTTED.match(node.value):
                self.words.add(node.value)
            return
        if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
            self.define(node.target.id, when)
        if isinstance(node, ast.Call):
            self.visit_call(node, when)
        for child in ast.iter_child_nodes(node):
            self.visit_expression(child, when)

    def visit_call(self, node, when):
        called = last_name(node.func)
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if called in ("__import__", "import_module") and text and not text.startswith("."):
            self.add_import(0, text, "", node.lineno, when)
        if called == "setdefault" and text == "DJANGO_SETTINGS_MODULE" and len(node.args) > 1:
            second = node.args[1]
            if isinstance(second, ast.Constant) and isinstance(second.value, str):
                self.settings = second.value
        if starts_server(node):
            how = "script" if self.in_script or when == "later" else "import"
            if self.serves is None or how == "import":
                self.serves = how


def weaker(when, other):
    return min(when, other, key=STRENGTH.get)


def last_name(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def starts_server(call):
    """`app.run()`, Bottle's `run()`, `uvicorn.run(app)`, `serve(app)`, `make_server(…)`, `run_simple(…)`."""
    name = last_name(call.func)
    if name in ("serve", "make_server", "run_simple", "run_wsgi", "WSGIServer"):
        return True
    if name != "run":
        return False
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return owner is None or last_name(owner) not in ("subprocess", "asyncio", "runner", "trio", "anyio")


def is_main_test(test):
    """`__name__ == "__main__"`, either way round."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    has_name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return has_name and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def static_truth(test):
    """Whether a condition holds in a dyno; None if only running it tells."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        holds = static_truth(test.operand)
        return None if holds is None else not holds
    if last_name(test) == "TYPE_CHECKING":
        return False
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return None
    left = ast.unparse(test.left)
    try:
        right = ast.literal_eval(test.comparators[0])
    except ValueError:
        return None
    known = {"sys.version_info": TARGET_VERSION, "sys.platform": TARGET_PLATFORM, "os.name": "posix"}
    known |= {"sys.version_info[0]": TARGET_VERSION[0], "sys.version_info.major": TARGET_VERSION[0]}
    known |= {"sys.version_info[:2]": TARGET_VERSION, "sys.version_info.minor": TARGET_VERSION[1]}
    if left not in known:
        return None
    compare = {
        ast.Eq: lambda a, b: a == b,
        ast.NotEq: lambda a, b: a != b,
        ast.Lt: lambda a, b: a < b,
        ast.LtE: lambda a, b: a <= b,
        ast.Gt: lambda a, b: a > b,
        ast.GtE: lambda a, b: a >= b,
    }.get(type(test.ops[0]))
    try:
        return compare(known[left], right) if compare else None
    except TypeError:
        return None


def catches_missing_module(kind):
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(last_name(one) in MISSING_MODULE for one in kinds)


def is_suppress(node):
    return isinstance(node, ast.Call) and last_name(node.func) == "suppress" and any(map(catches_missing_module, node.args))


def setup_facts(paths):
    """What setuptools is told of packages that are needed, where the code lies, and programs."""
    found = {"requires": [], "package_dir": None, "scripts": {}, "computed": False}
    if "setup.cfg" in paths:
        config = read_config("setup.cfg")
        requires = config.get("options", "install_requires", fallback="")
        found["requires"] += [line.strip() for line in requires.replace(";\n", "\n").splitlines() if line.strip()]
        for line in config.get("options", "package_dir", fallback="").splitlines():
            name, _, place = line.partition("=")
            if not name.strip() and place.strip():
                found["package_dir"] = place.strip()
        where = config.get("options.packages.find", "where", fallback="").strip()
        found["package_dir"] = found["package_dir"] or where or None
        scripts = config.get("options.entry_points", "console_scripts", fallback="")
        found["scripts"] |= script_lines(scripts.splitlines())
    if "setup.py" in paths:
        read_setup_py(found)
    return found


def read_setup_py(found):
    try:
        with open("setup.py", "rb") as file:
            tree = ast.parse(file.read(FILE_BYTES_MAX))
    except (SyntaxError, ValueError, RecursionError):
        return
    lists = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            lists[node.targets[0].id] = node.value
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "setup":
            for keyword in node.keywords:
                value = keyword.value
                if isinstance(value, ast.Name) and value.id in lists:
                    value = lists[value.id]
                take_setup_keyword(found, keyword.arg, value)


def take_setup_keyword(found, name, value):
    if name not in ("install_requires", "package_dir", "entry_points"):
        return
    try:
        value = ast.literal_eval(value)
    except ValueError:
        found["computed"] |= name == "install_requires"
        return
    if name == "install_requires":
        found["requires"] += value.splitlines() if isinstance(value, str) else [str(line) for line in value]
    elif name == "package_dir" and isinstance(value, dict) and value.get(""):
        found["package_dir"] = value[""]
    elif name == "entry_points" and isinstance(value, dict):
        scripts = value.get("console_scripts", [])
        found["scripts"] |= script_lines(scripts.splitlines() if isinstance(scripts, str) else scripts)


def script_lines(lines):
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): place.strip() for name, _, place in pairs if name.strip() and place.strip()}


def read_config(path):
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        pass
    return config


def uwsgi_options(path):
    config = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        config.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    section = config["uwsgi"] if config.has_section("uwsgi") else {}
    return {name: value for name, value in section.items() if value}


if __name__ == "__main__":
    main()
