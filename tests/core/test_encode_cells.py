"""What encode_cells refuses."""

from __future__ import annotations

import numpy as np
import pytest

import crlso._core as _core
from crlso.models import GraphVAE
from crlso.spaces import NASBench201

ENCODER = GraphVAE(NASBench201(), width=8, latent=4, rng=0).initialise().freeze_encoder()._network
CODES = np.zeros((3, 6), np.uint8)


def test_any_iterable_of_encoders_is_taken():
    expected = ENCODER.encode(CODES)
    for encoders in ([ENCODER, ENCODER], (ENCODER,), iter([ENCODER])):
        for latents in _core.encode_cells(encoders, CODES):
            np.testing.assert_array_equal(latents, expected)


@pytest.mark.parametrize(
    ("encoders", "codes", "error", "words"),
    [
        ((), CODES, ValueError, "encoders: expected at least one, got none"),
        (None, CODES, TypeError, "NoneType"),
        (ENCODER, CODES, TypeError, "FrozenEncoder"),
        ([ENCODER, None], CODES, TypeError, "encoders: expected a sequence of FrozenEncoders, got NoneType"),
        ("ab", CODES, TypeError, "encoders: expected a sequence of FrozenEncoders, got str"),
        ([ENCODER], None, TypeError, "codes: expected a uint8 array, got NoneType"),
        ([ENCODER], CODES.astype(np.int8), TypeError, "codes: expected a uint8 array"),
        ([ENCODER], CODES[0], ValueError, "codes: expected"),
        ([ENCODER], CODES[:, :5], ValueError, "codes: expected"),
        ([ENCODER], CODES + np.uint8(5), ValueError, "codes: expected values below 5 in column 0, got 5"),
    ],
)
def test_other_arguments_are_refused(encoders, codes, error, words):
    with pytest.raises(error, match=words):
        _core.encode_cells(encoders, codes)


def test_the_number_of_arguments_is_checked():
    with pytest.raises(TypeError, match="encode_cells"):
        _core.encode_cells([ENCODER])
