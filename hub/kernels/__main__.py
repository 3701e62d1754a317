"""``python hub/kernels -f CONNECTION_FILE``: starts an IPython kernel in the Python of any environment.

Other environments do not have this package, and may have an old Python: so this file is valid in each, and all else is
in ``launcher.py``, which it runs by its path.
"""

import os
import runpy
import sys

folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  an old Python has no pathlib
# Python put this folder first; no file of it may stand in for a module of the person.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]  # noqa: PTH100

if sys.version_info >= (3, 8):  # noqa: UP036  not the Python of this environment
    runpy.run_path(os.path.join(folder, "launcher.py"), run_name="__main__")  # noqa: PTH118
else:
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
