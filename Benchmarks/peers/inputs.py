"""What parameters and gradients hold before the first step: the numbers that `descent peer` begins
with too, from Sources/descent-tool/Peer/PeerInputs.swift."""

PARAMETERS, GRADIENTS = 0, 1


def bits(which, index):
    """The bits of Float32 numbers, as int64, for int64 indices in an array of NumPy or PyTorch."""
    # Signed numbers wrap around as unsigned ones do, and every shift is masked.
    random = (index * 2 + (which + 1)) * (0x9E3779B97F4A7C15 - (1 << 64))
    magnitude = (123 + ((random >> 32) & 3)) << 23 | (random >> 40) & 0x007FFFFF
    return magnitude - (((random >> 63) & 1) << 31)


def pieces(count, size=1 << 24):
    """Ranges that cover 0 to `count`, so that making the numbers needs little memory besides."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]
