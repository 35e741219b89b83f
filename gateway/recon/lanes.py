"""Eight numbers at a time in compiled loops: `load` them from an array, add, subtract, multiply, `store` them.

LLVM makes vector instructions of a plain loop only where it can show that no store hits what is loaded later. For the
butterflies of a Fourier transform it cannot, so that they are written with vectors from the start. Where registers are
shorter, one instruction becomes several: the result is the same bytes on every machine.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_NOTHING = ir.Constant(_VECTOR, ir.Undefined)
_FLOAT_BYTES = 4


class Lanes(types.Type):
    """Numba's type of eight numbers of single precision."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


_LANES: Any = Lanes()


@register_model(Lanes)
class _Register(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _load(_: Any, array: Any, place: Any) -> Any:  # noqa: ARG001 - Numba looks at the names
    """The numbers from `place` on, of a contiguous float32 array; nobody checks its end."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=_FLOAT_BYTES)

    return _LANES(array, types.intp), generate


def _store(_: Any, array: Any, place: Any, values: Any) -> Any:  # noqa: ARG001
    """`values` to `place` and those after it, of a contiguous float32 array; nobody checks its end."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(array, types.intp, values), generate


def _spread(_: Any, number: Any) -> Any:  # noqa: ARG001
    """One number in every lane."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        first = ir.Constant(ir.IntType(32), 0)
        single = builder.insert_element(_NOTHING, arguments[0], first)
        return builder.shuffle_vector(single, _NOTHING, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))

    return _LANES(types.float32), generate


# The types of these are Numba's affair.
load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
spread: Any = intrinsic(_spread)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


def _declare(operation: Any, instruction: str) -> None:
    """`operation` of two registers is one instruction."""

    @type_callable(operation)
    def typed(_: Any) -> Any:
        return lambda a, b: _LANES if isinstance(a, Lanes) and isinstance(b, Lanes) else None

    @lower_builtin(operation, Lanes, Lanes)  # type: ignore[no-untyped-call,untyped-decorator]
    def lowered(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _declare(_operation, _instruction)
