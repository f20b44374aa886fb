"""Words of many texts end to end, and their blake2b-128, compiled: eight texts at a time, one in each lane.

RFC 7693, unkeyed, 16 bytes of digest: the bytes of `hashlib.blake2b(text, digest_size=16)`. The steps of one
text depend on each other, so a processor that hashes one text mostly waits; with eight it does not, and the
interpreter has nothing to do between two texts. A lane that is done takes the next text.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from tasks import lanes
from tasks.lanes import BYTES, I1, I32, I64, call, compress, emit, every, pointer
from tasks.text_memory import SLACK, Texts

# First digits of the SHA-256 of files that are compiled into this one, the only one numba's cache sees.
COMPILED_IN = {"lanes": "42dabcafd0d1b643", "text_memory": "3b1fff617238c190"}
SIZE = 16  # bytes of a digest
_LANES, _BLOCK = 8, 128  # texts at a time, bytes of each in one step
_U64 = np.uint64
_ZERO, _ONE, _LAST, _WIDE = (_U64(n) for n in (0, 1, 63, 64))
_EIGHT = ir.VectorType(I64, _LANES)
_START = np.array(
    [0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1]
    + [0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179],
    np.uint64,
)
_ORDER = [
    *("0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d"),
    *("2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0"),
    *("0123456789abcdef", "ea489fd61c02b753"),
]  # which words of a block the 12 rounds mix in
_QUARTERS = [(i, 4 + i, 8 + i, 12 + i) for i in range(4)] + [
    (i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)
]


@njit(cache=True, nogil=True)
def normalise(texts: Texts, bounds: np.ndarray) -> np.ndarray:
    """Words of many texts, each with a space behind it, end to end: uint8, and some bytes more.

    Args:
        texts: m texts, ASCII or rewritten.
        bounds: (m + 1,) int64, is filled: text i is at bounds[i]:bounds[i + 1].
    """
    plain = np.empty(texts.lengths.sum() + len(texts.lengths) + 2 * SLACK, np.uint8)
    at = _ZERO
    bounds[0] = 0
    for i in range(len(texts.lengths)):
        carry = place = _ZERO
        while place <= _U64(texts.lengths[i]):
            text = texts.places[i] + place
            letters = lanes.word_bytes(text, _U64(texts.lengths[i]) - place)
            behind = ((letters << _ONE) | carry) & ~letters  # a word ends before these
            carry = letters >> _LAST
            _pack(text, letters | behind, letters, plain, at)
            at += lanes.ones(letters | behind)
            place += _WIDE
        bounds[i + 1] = at
    return plain


@njit(cache=True, nogil=True)
def digest(plain: np.ndarray, bounds: np.ndarray, digests: np.ndarray) -> None:
    """Blake2b-128 of many texts.

    Args:
        plain: uint8, the texts end to end.
        bounds: (m + 1,) int64, text i is plain[bounds[i]:bounds[i + 1]].
        digests: (m, 2) uint64, is filled; in memory these are the 16 bytes.
    """
    state = np.zeros(8 * _LANES, np.uint64)
    block = np.zeros(16 * _LANES, np.uint64)
    ends = np.zeros((_LANES, _BLOCK), np.uint8)  # last blocks, filled with zeros
    places, done, last = np.zeros(
        (3, _LANES), np.uint64
    )  # addresses, bytes so far, all ones in the last block
    rows = np.full(_LANES, -1)
    following = busy = 0
    while following < len(digests) or busy:
        for lane in range(_LANES):
            if rows[lane] < 0 and following < len(digests):
                rows[lane] = following
                _begin(state, done, lane)
                following += 1
                busy += 1
            if rows[lane] >= 0:
                _next_block(plain, bounds, rows[lane], lane, ends, places, done, last)
            else:
                places[lane] = ends.ctypes.data
        _mix_in(places, done, last, block, state)
        for lane in range(_LANES):
            if rows[lane] >= 0 and last[lane] != _ZERO:
                digests[rows[lane], 0], digests[rows[lane], 1] = state[lane], state[_LANES + lane]
                rows[lane] = -1
                busy -= 1


@njit(forceinline=True)
def _begin(state: np.ndarray, done: np.ndarray, lane: int) -> None:
    for word in range(8):
        state[word * _LANES + lane] = _START[word]
    state[lane] ^= _U64(0x01010000 + SIZE)
    done[lane] = 0


@njit(forceinline=True)
def _next_block(
    plain: np.ndarray, bounds: np.ndarray, row: int, lane: int,
    ends: np.ndarray, places: np.ndarray, done: np.ndarray, last: np.ndarray,
) -> None:  # fmt: skip
    """Where a lane's next block is, and what it counts."""
    place = bounds[row] + np.int64(done[lane])
    left = bounds[row + 1] - place
    if left > _BLOCK:
        places[lane] = plain[place:].ctypes.data
        last[lane] = 0
        done[lane] += _U64(_BLOCK)
        return
    ends[lane, left:] = 0
    ends[lane, :left] = plain[place : place + left]
    places[lane] = ends[lane:].ctypes.data
    last[lane] = 0xFFFFFFFFFFFFFFFF
    done[lane] += _U64(left)


def _rotated(builder: Any, value: Any, bits: int) -> Any:
    return call(builder, "llvm.fshr.v8i64", _EIGHT, value, value, every(_EIGHT, bits))


def _quarter(builder: Any, v: list[Any], places: tuple[int, ...], x: Any, y: Any) -> None:
    """G of RFC 7693 on four of the 16 words."""
    a, b, c, d = places
    for message, first, second in (x, 32, 24), (y, 16, 63):
        v[a] = builder.add(builder.add(v[a], v[b]), message)
        v[d] = _rotated(builder, builder.xor(v[d], v[a]), first)
        v[c] = builder.add(v[c], v[d])
        v[b] = _rotated(builder, builder.xor(v[b], v[c]), second)


@intrinsic
def _mix_in(context: Any, places: Any, done: Any, last: Any, block: Any, state: Any) -> Any:
    """F of RFC 7693: the blocks of 8 texts at these addresses into (8, 8) uint64 `state`, word by lane."""

    def body(builder: Any, places: Any, done: Any, last: Any, block: Any, state: Any) -> None:
        def load(array: Any, word: int) -> Any:
            return builder.load(pointer(builder, array, ir.Constant(I64, word), _EIGHT, 64), align=8)

        starts, pointers = load(places, 0), ir.VectorType(I64.as_pointer(), _LANES)
        all_, one, nothing = every(ir.VectorType(I1, _LANES), 1), ir.Constant(I32, 1), every(_EIGHT, 0)
        for word in range(16):
            where = builder.inttoptr(builder.add(starts, every(_EIGHT, 8 * word)), pointers)
            read = call(builder, "llvm.masked.gather.v8i64.v8p0", _EIGHT, where, one, all_, nothing)
            builder.store(read, pointer(builder, block, ir.Constant(I64, word), _EIGHT, 64), align=8)
        before = [load(state, word) for word in range(8)]
        v = before + [every(_EIGHT, word) for word in _START]
        v[12], v[14] = builder.xor(v[12], load(done, 0)), builder.xor(v[14], load(last, 0))
        for order in _ORDER:
            words = [load(block, int(word, 16)) for word in order]
            for i, quarter in enumerate(_QUARTERS):
                _quarter(builder, v, quarter, words[2 * i], words[2 * i + 1])
        for word in range(8):
            mixed = builder.xor(builder.xor(before[word], v[word]), v[word + 8])
            builder.store(mixed, pointer(builder, state, ir.Constant(I64, word), _EIGHT, 64), align=8)

    return emit(types.void, (places, done, last, block, state), body)


@intrinsic
def _pack(context: Any, text: Any, kept: Any, letters: Any, out: Any, at: Any) -> Any:
    """64 bytes, lower-case, those that are no letters as spaces; the kept ones written to out[at:]."""

    def body(builder: Any, text: Any, kept: Any, letters: Any, out: Any, at: Any) -> None:
        block = builder.load(builder.inttoptr(text, BYTES.as_pointer()), align=1)
        ascii_ = builder.icmp_signed(">=", block, every(BYTES, 0))
        low = builder.select(ascii_, builder.or_(block, every(BYTES, 32)), block)
        plain = builder.select(builder.bitcast(letters, ir.VectorType(I1, 64)), low, every(BYTES, 32))
        packed = compress(builder, plain, builder.bitcast(kept, ir.VectorType(I1, 64)))
        builder.store(packed, pointer(builder, out, at, BYTES, 1), align=1)

    return emit(types.void, (text, kept, letters, out, at), body)
