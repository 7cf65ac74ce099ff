"""Runs pip for the component's Python rather than for the one that runs pip, in what pip's own options leave out.

- Environment markers (PEP 508), such as `python_version >= "3.13"`, are those of the component's Python.
- Wheels of older versions of Python fit where there is no newer one: their native code is left out anyway, and many have
  the same in plain Python.
- Packages that are named by `--no-binary` may be built from their sources.
"""

import sys

from pip._internal.cli import cmdoptions
from pip._internal.models import target_python
from pip._vendor.packaging import markers

TARGET = {"python_version": "3.14", "python_full_version": "3.14.0", "implementation_version": "3.14.0"}
OLDER_VERSIONS = range(13, 7, -1)

own_environment = markers.default_environment
own_tags = target_python.get_supported


def supported_tags(version=None, platforms=None, impl=None, abis=None):
    tags = own_tags(version, platforms, impl, abis)
    if version is not None:
        for minor in OLDER_VERSIONS:
            tags += own_tags(f"3{minor}", platforms, impl, [f"cp3{minor}"])
    return list(dict.fromkeys(tags))


markers.default_environment = lambda: {**own_environment(), **TARGET}
target_python.get_supported = supported_tags
cmdoptions.check_dist_restriction = lambda options, check_target=False: None

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
