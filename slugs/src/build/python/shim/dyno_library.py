"""Keeps the sources of Python's library in memory, since its files are missing in a dyno. Modules that the snapshot has not
imported come from here, as do `python -m json.tool` and the lines of a traceback.
"""

import sys
import zlib
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec

sources = {}  # by module: whether it is a package, its path, its text compressed


def keep(name, path, text):
    is_package = path.endswith("/__init__.py")
    sources[name] = is_package, path, zlib.compress(text)


def install():
    """Installs the loader for all kept modules, including those that are imported already."""
    sys.meta_path.append(LibraryFinder)
    for name, (_, path, _) in sources.items():
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if spec is not None and spec.origin == path:
            spec.loader = LibraryLoader(name)
            module.__loader__ = spec.loader


class LibraryFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in sources:
            return None
        is_package, origin, _ = sources[name]
        spec = ModuleSpec(name, LibraryLoader(name), origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(origin.removesuffix("/__init__.py"))
        return spec


class LibraryLoader(InspectLoader):
    def __init__(self, name):
        self.name = name

    def is_package(self, name):
        return sources[name][0]

    def get_filename(self, name):
        return sources[name][1]

    def get_source(self, name):
        import importlib.util

        return importlib.util.decode_source(zlib.decompress(sources[name][2]))

    def get_code(self, name):
        return compile(self.get_source(name), sources[name][1], "exec", dont_inherit=True)
