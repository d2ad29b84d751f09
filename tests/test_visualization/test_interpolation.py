import numpy as np
import pytest

from alignmix_mm.visualization import plot_interpolation

LAM = np.array([0, .5, 1], np.float32)


def row(value):
    return np.full((3, 4, 5, 3), value, np.uint8)


def test_rows_are_ways_and_columns_weights_between_the_images():
    ends = np.full((4, 5, 3), 9, np.uint8), np.full((4, 5, 3), 7, np.uint8)
    figure = plot_interpolation({'a': row(1), 'b': row(2)}, LAM, ends)
    values = [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes]
    # partner, mixtures, anchor
    assert values == [7, 1, 1, 1, 9, 7, 2, 2, 2, 9]
    titles = [axes.get_title() for axes in figure.axes[:5]]
    assert titles == ['partner', 'λ = 0', 'λ = 0.5', 'λ = 1', 'anchor']
    assert [axes.get_ylabel() for axes in figure.axes[::5]] == ['a', 'b']


@pytest.mark.parametrize('rows', [{}, {'a': row(1), 'b': row(2)[:2]}])
def test_rows_that_do_not_fit_are_named(rows):
    with pytest.raises(ValueError, match='rows of 3 images'):
        plot_interpolation(rows, LAM, (row(0)[0], row(0)[0]))
