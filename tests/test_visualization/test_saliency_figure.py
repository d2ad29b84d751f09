import numpy as np
import pytest

from alignmix_mm.visualization import SaliencyPicture, plot_saliency


def picture():
    rng = np.random.default_rng(0)
    image, partner, mixed = rng.integers(0, 255, (3, 12, 16, 3), np.uint8)
    saliency = np.zeros((12, 16))
    saliency[4, 9] = .7
    return SaliencyPicture(image, partner, saliency, np.array([2, 5, 7, 13]),
                           mixed, .79)


def test_the_box_reaches_the_edges_of_its_pixels():
    figure = plot_saliency([picture(), picture()])
    assert len(figure.axes) == 8
    image, partner, saliency, mixed = figure.axes[:4]
    assert not image.patches
    for axes in partner, saliency, mixed:
        box, = axes.patches
        assert box.get_bbox().bounds == (4.5, 1.5, 8, 5)
    peak, = saliency.lines
    assert np.ravel(peak.get_data()).tolist() == [9, 4]  # x, y
    assert mixed.get_title(loc='right') == 'weight 0.79'


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match='at least one picture'):
        plot_saliency([])
