"""Words and shingles hashed 16 at a time, as vectors; the hashes are those of `tasks.shingles.contract`.

numba's cache of compiled code does not see changes of this file: who uses it names its digest.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tasks.lanes import (
    HASHES,
    I16,
    I32,
    I64,
    MIXED,
    WIDTH,
    Hashes,
    call,
    compress,
    emit,
    every,
    pointer,
    spread,
)

SEED, MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
ROLL, FINISH = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0xFF51AFD7ED558CCD)


def _mix_lanes(builder: Any, values: Any, multiplier: np.uint64) -> Any:
    product = builder.mul(values, every(HASHES, multiplier))
    return builder.xor(product, builder.lshr(product, every(HASHES, 32)))


def _lower_lanes(builder: Any, block: Any) -> Any:
    """8 bytes in each lane: ASCII letters lower-case; bytes that are not part of a word may change."""
    ascii_ = builder.and_(builder.not_(block), every(HASHES, 0x8080808080808080))
    return builder.or_(block, builder.lshr(ascii_, every(HASHES, 2)))


@intrinsic
def hash_16(context: Any, text: Any, edges: Any, word: Any, left: Any, words: Any, long: Any, n: Any) -> Any:
    """Hash the first 8 bytes of 16 words, of which `left` exist, and append those with more to `long`."""

    def body(builder: Any, text: Any, edges: Any, word: Any, left: Any, words: Any, long: Any, n: Any) -> Any:
        both = builder.load(pointer(builder, edges, word, HASHES, 8), align=4)
        begin = builder.and_(both, every(HASHES, 0xFFFFFFFF))
        size = builder.sub(builder.lshr(both, every(HASHES, 32)), begin)
        lanes = ir.Constant(HASHES, list(range(WIDTH)))
        exists = builder.icmp_unsigned("<", lanes, spread(builder, left, WIDTH))
        pointers = ir.VectorType(I64.as_pointer(), WIDTH)
        places = builder.inttoptr(builder.add(begin, spread(builder, text, WIDTH)), pointers)
        one, nothing = ir.Constant(I32, 1), every(HASHES, 0)
        block = call(builder, "llvm.masked.gather.v16i64.v16p0", HASHES, places, one, exists, nothing)
        more = builder.icmp_unsigned(">", size, every(HASHES, 8))
        unused = builder.sub(every(HASHES, 64), builder.shl(size, every(HASHES, 3)))
        used = builder.lshr(every(HASHES, 0xFFFFFFFFFFFFFFFF), builder.select(more, nothing, unused))
        block = builder.and_(_lower_lanes(builder, block), used)
        hashed = _mix_lanes(builder, builder.xor(block, every(HASHES, SEED)), MIX)
        builder.store(hashed, pointer(builder, words, word, HASHES, 8), align=8)
        more = builder.and_(more, exists)
        number = builder.add(spread(builder, builder.trunc(word, I32), WIDTH), builder.trunc(lanes, MIXED))
        builder.store(compress(builder, number, more), pointer(builder, long, n, MIXED, 4), align=4)
        return builder.add(n, builder.zext(builder.ctpop(builder.bitcast(more, I16)), I64))

    return emit(types.uint64, (text, edges, word, left, words, long, n), body)


@intrinsic
def words_from(context: Any, words: Any, at: Any) -> Any:
    """16 hashes from words[at] on."""

    def body(builder: Any, words: Any, at: Any) -> Any:
        return builder.load(pointer(builder, words, at, HASHES, 8), align=8)

    return emit(Hashes, (words, at), body)


@intrinsic
def append(context: Any, rolled: Any, words: Any) -> Any:
    """One more word of 16 shingles: rolled * ROLL + words."""

    def body(builder: Any, rolled: Any, words: Any) -> Any:
        return builder.add(builder.mul(rolled, every(HASHES, ROLL)), words)

    return emit(Hashes, (rolled, words), body)


@intrinsic
def put_shingles(context: Any, rolled: Any, shingles: Any, mixed: Any, at: Any) -> Any:
    """Finish 16 shingles; `mixed` gets MurmurHash3's fmix32, which datasketch applies before it permutes."""

    def body(builder: Any, rolled: Any, shingles: Any, mixed: Any, at: Any) -> None:
        finished = _mix_lanes(builder, rolled, FINISH)
        builder.store(finished, pointer(builder, shingles, at, HASHES, 8), align=8)
        x = builder.trunc(finished, MIXED)
        for shift, multiplier in (16, 0x85EBCA6B), (13, 0xC2B2AE35):
            x = builder.xor(x, builder.lshr(x, every(MIXED, shift)))
            x = builder.mul(x, every(MIXED, multiplier))
        x = builder.xor(x, builder.lshr(x, every(MIXED, 16)))
        builder.store(x, pointer(builder, mixed, at, MIXED, 4), align=4)

    return emit(types.void, (rolled, shingles, mixed, at), body)


@intrinsic
def equal_16(context: Any, shingles: Any, at: Any, other: Any) -> Any:
    """Which of shingles[at : at + 16] that come before `other` equal shingles[other]."""

    def body(builder: Any, shingles: Any, at: Any, other: Any) -> Any:
        value = spread(builder, builder.load(pointer(builder, shingles, other, I64, 8)), WIDTH)
        some = builder.load(pointer(builder, shingles, at, HASHES, 8), align=8)
        left = spread(builder, builder.sub(other, at), WIDTH)
        before = builder.icmp_unsigned("<", ir.Constant(HASHES, list(range(WIDTH))), left)
        equal = builder.and_(builder.icmp_unsigned("==", some, value), before)
        return builder.zext(builder.bitcast(equal, I16), I64)

    return emit(types.uint64, (shingles, at, other), body)
