"""Vector operations for compiled loops: what numba has no words for, built from LLVM's portable instructions.

Values stay in vector registers from one operation to the next: 128 numbers of 32 bits, or 16 hashes of 64.
LLVM cuts them to what the processor has, so that results are the same on all; only `packs` asks which one it
is. Texts are addresses; nothing checks where one reads or writes.

numba's cache of compiled code does not see changes of this file: who uses it names its digest.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

K = 128  # minima in a signature
WIDTH = 16  # hashes in a vector

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
MINIMA, HASHES = ir.VectorType(I32, K), ir.VectorType(I64, WIDTH)
BYTES, MIXED = ir.VectorType(I8, 64), ir.VectorType(I32, WIDTH)


class Vector(types.Type):
    """A value of compiled code that stays in vector registers."""


Minima, Hashes = Vector("uint32 x 128"), Vector("uint64 x 16")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """How numba keeps such a value: as LLVM's own vector."""

    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, MINIMA if kind == Minima else HASHES)


def emit(result: Any, kinds: tuple[Any, ...], body: Callable[..., Any]) -> Any:
    """What `intrinsic` wants, from body(builder, *values), which gets addresses in the place of arrays."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [
            builder.ptrtoint(make_array(kind)(context, builder, value).data, I64)
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        return body(builder, *values) or context.get_dummy_value()

    return result(*(k if isinstance(k, types.Array | Vector) else types.uint64 for k in kinds)), generate


def pointer(builder: Any, start: Any, index: Any, of: Any, width: int) -> Any:
    """Pointer to something at items of `width` bytes."""
    place = builder.add(start, builder.mul(index, ir.Constant(I64, width)))
    return builder.inttoptr(place, of.as_pointer())


def every(kind: Any, value: Any) -> Any:
    """A constant vector of one value."""
    return ir.Constant(kind, [int(value)] * kind.count)


def spread(builder: Any, value: Any, count: int) -> Any:
    """A vector of one value."""
    kind = ir.VectorType(value.type, count)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, count), [0] * count))


def call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's intrinsic functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def compress(builder: Any, values: Any, kept: Any) -> Any:
    """The values whose bit is set, packed; zeros behind them."""
    name = f"llvm.experimental.vector.compress.v{values.type.count}i{values.type.element.width}"
    return call(builder, name, values.type, values, kept, ir.Constant(values.type, None))


@intrinsic
def packs(context: Any) -> Any:
    """Whether the processor packs bytes by itself."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(I1, "+avx512vbmi2" in context.codegen().magic_tuple()[2])

    return types.boolean(), generate


@intrinsic
def lowest_bit(context: Any, bits: Any) -> Any:
    """Place of the lowest set bit; there must be one."""
    return emit(types.uint64, (bits,), lambda builder, bits: builder.cttz(bits, ir.Constant(I1, 1)))


@intrinsic
def ones(context: Any, bits: Any) -> Any:
    """How many bits are set."""
    return emit(types.uint64, (bits,), lambda builder, bits: builder.ctpop(bits))


@intrinsic
def load(context: Any, text: Any) -> Any:
    """The 8 bytes at an address."""

    def body(builder: Any, text: Any) -> Any:
        return builder.load(builder.inttoptr(text, I64.as_pointer()), align=1)

    return emit(types.uint64, (text,), body)


@intrinsic
def foreign_bytes(context: Any, text: Any) -> Any:
    """Which of 64 bytes are not ASCII."""

    def body(builder: Any, text: Any) -> Any:
        block = builder.load(builder.inttoptr(text, BYTES.as_pointer()), align=1)
        return builder.bitcast(builder.icmp_signed("<", block, every(BYTES, 0)), I64)

    return emit(types.uint64, (text,), body)


@intrinsic
def word_bytes(context: Any, text: Any, left: Any) -> Any:
    """Which of 64 bytes (`left` count) are in words: ASCII letters, digits, all that is not ASCII."""

    def body(builder: Any, text: Any, left: Any) -> Any:
        block = builder.load(builder.inttoptr(text, BYTES.as_pointer()), align=1)
        low = builder.or_(block, every(BYTES, 32))
        letter = builder.icmp_unsigned("<", builder.sub(low, every(BYTES, 97)), every(BYTES, 26))
        digit = builder.icmp_unsigned("<", builder.sub(block, every(BYTES, 48)), every(BYTES, 10))
        foreign = builder.icmp_signed("<", block, every(BYTES, 0))
        bits = builder.bitcast(builder.or_(builder.or_(letter, digit), foreign), I64)
        few = builder.icmp_unsigned("<", left, ir.Constant(I64, 64))
        first = builder.sub(builder.shl(ir.Constant(I64, 1), left), ir.Constant(I64, 1))
        return builder.and_(bits, builder.select(few, first, ir.Constant(I64, -1)))

    return emit(types.uint64, (text, left), body)


@intrinsic
def put_places(context: Any, bits: Any, first: Any, places: Any, at: Any) -> Any:
    """Where bits are set, counted from `first`, written to places[at:] (up to 64 are overwritten)."""

    def body(builder: Any, bits: Any, first: Any, places: Any, at: Any) -> None:
        lanes = builder.bitcast(bits, ir.VectorType(I1, 64))
        packed = compress(builder, ir.Constant(BYTES, list(range(64))), lanes)
        offset = spread(builder, builder.trunc(first, I32), 32)

        def put(half: int) -> None:
            which = ir.Constant(ir.VectorType(I32, 32), list(range(32 * half, 32 * half + 32)))
            wide = builder.zext(builder.shuffle_vector(packed, packed, which), offset.type)
            to = builder.add(at, ir.Constant(I64, 32 * half))
            builder.store(builder.add(wide, offset), pointer(builder, places, to, offset.type, 4), align=4)

        put(0)
        many = builder.icmp_unsigned(">", builder.ctpop(bits), ir.Constant(I64, 32))
        with builder.if_then(many, likely=False):
            put(1)

    return emit(types.void, (bits, first, places, at), body)


@intrinsic
def copy(context: Any, text: Any, length: Any, out: Any, at: Any) -> Any:
    """Copy bytes from an address to out[at:]."""

    def body(builder: Any, text: Any, length: Any, out: Any, at: Any) -> None:
        source = builder.inttoptr(text, I8.as_pointer())
        cgutils.raw_memcpy(builder, pointer(builder, out, at, I8, 1), source, length, 1)

    return emit(types.void, (text, length, out, at), body)


@intrinsic
def numbers(context: Any, numbers: Any, at: Any) -> Any:
    """128 uint32 from numbers[at] on."""

    def body(builder: Any, numbers: Any, at: Any) -> Any:
        return builder.load(pointer(builder, numbers, at, MINIMA, 4), align=4)

    return emit(Minima, (numbers, at), body)


@intrinsic
def most(context: Any) -> Any:
    """128 times 2^32 - 1."""
    return emit(Minima, (), lambda builder: every(MINIMA, 0xFFFFFFFF))


@intrinsic
def put_numbers(context: Any, numbers: Any, at: Any, values: Any) -> Any:
    """Write 128 numbers to numbers[at:]."""

    def body(builder: Any, numbers: Any, at: Any, values: Any) -> None:
        builder.store(values, pointer(builder, numbers, at, MINIMA, 4), align=4)

    return emit(types.void, (numbers, at, values), body)


@intrinsic
def permute(context: Any, minima: Any, a: Any, b: Any, mixed: Any, at: Any) -> Any:
    """One more shingle x = mixed[at]: the lesser of the minima and a * x + b mod 2^32."""

    def body(builder: Any, minima: Any, a: Any, b: Any, mixed: Any, at: Any) -> Any:
        x = spread(builder, builder.load(pointer(builder, mixed, at, I32, 4)), K)
        y = builder.add(builder.mul(a, x), b)
        return builder.select(builder.icmp_unsigned("<", y, minima), y, minima)

    return emit(Minima, (minima, a, b, mixed, at), body)
