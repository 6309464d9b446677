"""Keep an exported model in the smallest storage in which its answers are close to torch's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from clipheads.browser.onnx_graph import save_onnx
from clipheads.bundle.errors import ModelError
from clipheads.bundle.search import Fidelity, Storage


def save_smallest(
    path: Path,
    storages: Sequence[Storage],
    *,
    make: Callable[[Storage], onnx.ModelProto],
    measure: Callable[[onnx.ModelProto, Storage], Fidelity],
    accept: Callable[[Fidelity], bool],
    refusal: Callable[[Fidelity], str],
) -> Fidelity:
    """Write the first model that is accepted.

    Args:
        path: the `.onnx` file to write.
        storages: from the smallest to the most exact.
        make: makes the model in a storage.
        measure: compares it with torch.
        accept: whether what was measured is close enough.
        refusal: says why not even the last one was.

    Returns:
        The measured error, which the file carries too.

    Raises:
        ModelError: if none is accepted; nothing is written.
    """
    for storage in storages:
        model = make(storage)
        fidelity = measure(model, storage)
        if accept(fidelity):
            save_onnx(model, path, fidelity)
            return fidelity
    raise ModelError(refusal(fidelity))
