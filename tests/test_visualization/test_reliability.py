import numpy as np
import pytest

from alignmix_mm.evaluation.functional import BinStatistics
from alignmix_mm.visualization import plot_reliability

TABLE = BinStatistics(
    np.array([0, .25, .5, .75, 1]), np.array([0, 10, 0, 30]),
    np.array([np.nan, .4, np.nan, .9]), np.array([np.nan, .6, np.nan, .7]))


def test_bars_are_accuracies_and_gaps_reach_the_confidence():
    upper, lower = plot_reliability({'': TABLE}).axes
    bars = [(b.get_x(), b.get_y(), b.get_width(), b.get_height())
            for b in upper.patches]
    # two filled bins: accuracies, then gaps; the empty ones have no bar
    np.testing.assert_allclose(bars, [
        (.25, 0, .25, .6), (.75, 0, .25, .7), (.25, .6, .25, -.2),
        (.75, .7, .25, .2)])
    assert upper.get_title() == 'ECE 20.00 %, OE 13.50 %'
    values = lower.patches[0].get_data().values
    np.testing.assert_allclose(values, [0, .25, 0, .75])


def test_several_models_are_lines_through_their_filled_bins():
    upper, lower = plot_reliability({'a': TABLE, 'b': TABLE}).axes
    diagonal, first, second = upper.lines
    np.testing.assert_allclose(diagonal.get_xydata(), [(0, 0), (1, 1)])
    np.testing.assert_allclose(first.get_xydata(), [(.4, .6), (.9, .7)])
    assert second.get_label() == 'b: ECE 20.00 %, OE 13.50 %'
    assert len(lower.patches) == 2


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match='at least one table'):
        plot_reliability({})
