"""The stage `projections`: the heads' projections of texts, as ONNX."""

from clipheads.browser.projections import export_projections
from clipheads.stages.contributions import BASIS, COORDINATES
from clipheads.stages.engine import Stage
from clipheads.stages.store import File, Store
from clipheads.stages.texts import DESCRIPTIONS

PROJECTIONS = File("projections.onnx")

OF_ONNX = ("browser.onnx_graph.OPSET", "browser.onnx_graph.IR_VERSION", "browser.onnx_graph.BLOCK")
OF_FIDELITY = ("browser.fidelity.MAX_ERROR", "browser.fidelity.MIN_SAME", "bundle.search.TOP")


def _make(store: Store) -> None:
    with store.steps(1, "files") as advance:
        export_projections(
            store.tensor(BASIS, "basis"),
            store.tensor(COORDINATES, "coordinates"),
            store.tensor(DESCRIPTIONS, "embeddings"),
            store.new(PROJECTIONS.path),
        )
        advance(1)


projections = Stage(
    "projections",
    _make,
    reads=(BASIS, COORDINATES, DESCRIPTIONS),
    writes=(PROJECTIONS,),
    settings=("browser.projections.PROJECTION_STORAGES", *OF_ONNX, *OF_FIDELITY),
    version=2,
)
