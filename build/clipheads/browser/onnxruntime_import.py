"""Import onnxruntime with its telemetry off: a build sends nothing to anybody.

Unless `ORT_DISABLE_TELEMETRY` is set when it is first imported, onnxruntime sends the device's id,
the path of Python, the kind of machine and the names of graphs to its makers. A value that the user
has set stays. All modules take onnxruntime from here.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
