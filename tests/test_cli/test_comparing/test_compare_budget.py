"""The length of a run."""
import argparse

import pytest

from alignmix_mm.cli.comparing.budget import read_budget


@pytest.mark.parametrize('text, amount, unit, steps', [
    ('400it', 400, 'it', 400), ('20ep', 20, 'ep', 140), ('.5ep', 0, '', 0),
    ('0.5ep', .5, 'ep', 4), ('0.01ep', .01, 'ep', 1), ('90s', 90, 's', 360),
    ('30min', 1800, 's', 7200), ('1.5h', 5400, 's', 21600),
    ('0.1s', .1, 's', 1)])
def test_units(text, amount, unit, steps):
    if not amount:
        pytest.raises(argparse.ArgumentTypeError, read_budget, text)
        return
    budget = read_budget(text)
    assert (budget.amount, budget.unit, budget.text) == (amount, unit, text)
    assert budget.steps(7, .25) == steps
    assert budget.is_time == (unit == 's')


@pytest.mark.parametrize('text', [
    '', '400', 'it', '0it', '0h', '1.5it', '-3ep', '2d', '2 h', '1e3it',
    'nanh', '2hh'])
def test_other_texts_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError,
                       match=f'such as 400it, 20ep, 30min or 2h, got {text}'):
        read_budget(text)


def test_a_step_fits_or_it_does_not():
    """2.9 steps fit into the time: 2, not 3."""
    assert read_budget('29s').steps(1, 10.) == 2
