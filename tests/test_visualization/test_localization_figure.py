import numpy as np
import pytest
from matplotlib.patches import Rectangle

from alignmix_mm.visualization import LocalizedPicture, plot_localization


def picture(title='a', gt_boxes=((2, 3, 8, 9), )):
    rng = np.random.default_rng(0)
    return LocalizedPicture(
        rng.integers(0, 255, (12, 16, 3), np.uint8), rng.random((12, 16)),
        np.array([0, 0, 15, 11]), np.array(gt_boxes).reshape(-1, 4), title)


def boxes(axes):
    return [(patch.get_edgecolor()[:3], patch.get_bbox().bounds)
            for patch in axes.patches if isinstance(patch, Rectangle)]


def test_predicted_boxes_are_red_and_true_ones_green():
    figure = plot_localization([picture()])
    image, heat = figure.axes
    red, green = (1, 0, 0), (0, 1, 0)
    # to the outer edges of the first and the last pixel
    expected = [(red, (-.5, -.5, 16, 12)), (green, (1.5, 2.5, 7, 7))]
    assert boxes(image) == boxes(heat) == expected
    assert len(image.images) == 1 and len(heat.images) == 2
    assert image.get_title(loc='left') == 'a'


def test_the_grid_has_room_for_all():
    figure = plot_localization([picture(f'{n}') for n in range(5)], 3)
    assert len(figure.axes) == 2 * 2 * 3
    titles = [axes.get_title(loc='left') for axes in figure.axes]
    assert [t for t in titles if t] == ['0', '1', '2', '3', '4']
    assert len(plot_localization([picture()]).axes) == 2


def test_pictures_without_true_boxes():
    figure = plot_localization([picture(gt_boxes=())])
    assert len(boxes(figure.axes[0])) == 1
    labels = [[text.get_text() for text in f.legends[0].get_texts()]
              for f in (figure, plot_localization([picture()]))]
    assert labels == [['predicted'], ['predicted', 'true']]


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match='at least one picture'):
        plot_localization([])
