"""The program that `mmsent` and `python -m mmsent_cli` start.

Signals and standard streams are prepared first, so that Ctrl-C works during the imports of a command.

The imports make few objects that the garbage collector could free. So the garbage collector runs seldom, and not when
the program ends. This saves a fourth of the CPU time of a first prediction.

Libraries import some modules that the program never uses. Skipping these imports saves a tenth of the CPU time.
"""

import gc
import os
import sys
from typing import Any

from mmsent_cli import clock, interrupts, standard_streams

OBJECTS_BETWEEN_COLLECTIONS = 400_000
"""The garbage collector runs after about this number of new objects. With Python's default of 700, it would run a
thousand times during the imports."""

CONVERTER = "openvino.tools.ovc"
"""OpenVINO's own converter, which only `mmsent export` uses (see `compute/openvino/convert.py`)."""
CUDA_BINDINGS = "cuda.bindings"
NVIDIA_DRIVER = ("/proc/driver/nvidia", "/dev/dxg")
"""If Linux (also inside Windows) has an NVIDIA driver, one of these files exists."""


def main() -> None:
    """Entry point of the `mmsent` command."""
    clock.begin_program()
    standard_streams.prepare()
    interrupts.watch()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    leave_out_unused()
    from mmsent_cli.commands.app import app

    try:
        app()
    finally:
        standard_streams.finish()
        gc.freeze()  # else Python examines every object of every library before it ends


def leave_out_unused() -> None:
    """Make imports of unused modules fail at once. The libraries that import these modules also work without them."""
    has_driver = sys.platform != "linux" or any(map(os.path.exists, NVIDIA_DRIVER))
    is_used = {CONVERTER: "export" in sys.argv, CUDA_BINDINGS: has_driver}
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(name for name in is_used if not is_used[name]))


if __name__ == "__main__":
    main()
