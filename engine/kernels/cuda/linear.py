"""Matrix products, and what goes with them."""

from __future__ import annotations

from engine.kernels.cuda.binding import Binding
from engine.kernels.cuda.gemm import product_candidates
from engine.kernels.cuda.launches import Product, Work, launches_of
from engine.ops import MatMul
from engine.ops.attention import BatchMatMul
from engine.ops.base import Call


@launches_of(MatMul, BatchMatMul)
def _matmul(call: Call, b: Binding) -> list[Work]:
    make = _batch_product if isinstance(call.op, BatchMatMul) else _product
    return b.chooser.pick(call, b, product_candidates(lambda binding: make(call, binding), call.outputs[0], b))


def _product(call: Call, b: Binding) -> Product:
    left, right = call.inputs
    (y,) = call.outputs
    attributes = call.op.attributes()
    inner = left.shape[0] if attributes["transpose_a"] else left.shape[1]
    return Product(
        b.pointer(left),
        b.pointer(right),
        b.pointer(y),
        rows=y.shape[0],
        columns=y.shape[1],
        inner=inner,
        transpose_a=attributes["transpose_a"],
        transpose_b=attributes["transpose_b"],
    )


def _batch_product(call: Call, b: Binding) -> Product:
    left, right = call.inputs
    (y,) = call.outputs
    rows, inner, columns = *left.shape[-2:], right.shape[-1]
    count = y.size // (rows * columns)
    steps = rows * inner, inner * columns, rows * columns
    first, second = b.pointer(left), b.pointer(right)
    return Product(first, second, b.pointer(y), rows, columns, inner, count=count, steps=steps)
