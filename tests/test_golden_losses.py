"""Existing configs keep their losses."""
import json

import pytest
from golden_losses import CONFIGS, FILE, losses_of


@pytest.mark.parametrize('name', CONFIGS)
def test_losses_are_those_of_the_last_release(name):
    """To the rounding of convolutions on another CPU or torch."""
    golden = json.loads(FILE.read_text())[name]
    found = losses_of(name)
    assert [list(step) for step in found] == [list(step) for step in golden]
    for now, before in zip(found, golden):
        assert now == pytest.approx(before, rel=2e-4)
