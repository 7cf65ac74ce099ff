"""Runs pip with environment markers (PEP 508) of the component's Python, not of the Python that runs pip.

pip's own options choose wheels for another Python, and still evaluate markers such as `python_version >= "3.13"` by
this one.
"""

import sys

from pip._vendor.packaging import markers

TARGET = {"python_version": "3.14", "python_full_version": "3.14.0", "implementation_version": "3.14.0"}

own_environment = markers.default_environment
markers.default_environment = lambda: {**own_environment(), **TARGET}

from pip._internal.cli.main import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
