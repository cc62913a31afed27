"""Damage to bytes: flipped, cut, doubled, overwritten."""

import numpy as np


def damaged(rng, data):
    """Bytes with one kind of damage, somewhere."""
    data = bytearray(data)
    place = int(rng.integers(max(1, len(data))))
    match rng.integers(6):
        case 0:
            del data[place:]
        case 1:
            del data[place : place + int(rng.integers(1, 64))]
        case 2:
            data[place:place] = bytes(rng.integers(0, 256, int(rng.integers(1, 64)), np.uint8))
        case 3:
            data += data[place:]
        case _:
            # Headers are where it hurts.
            reach = len(data) if rng.random() < 0.5 else min(len(data), 100)
            for _ in range(int(rng.choice([1, 3, 20]))):
                if reach:
                    data[int(rng.integers(reach))] = int(rng.integers(256))
    return bytes(data)
