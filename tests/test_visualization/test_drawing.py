"""Figures show images and names as they are."""
import io

import numpy as np
import pytest
from matplotlib.text import Text

from alignmix_mm.evaluation.functional import bin_confidences
from alignmix_mm.visualization import (
    LocalizedPicture,
    SaliencyPicture,
    plot_alignment,
    plot_interpolation,
    plot_localization,
    plot_mixed_batch,
    plot_reliability,
    plot_saliency,
    plot_transport,
    to_array,
)
from alignmix_mm.visualization._drawing import show_image

BOX = np.array([1, 2, 3, 4])
TABLE = bin_confidences([.9, .8, .3], [1, 0, 1], 5)


def images(channels=3, count=2, dtype=np.uint8):
    """Not square, from 100 to 150: colours of their range would show."""
    values = np.random.default_rng(0).integers(100, 150, (
        count, 8, 12, channels))
    return values.astype(dtype)


FIGURES = {
    'mixed': lambda x, text: plot_mixed_batch(
        x, x, x, np.ones(2), [text, text], text),
    'alignment': lambda x, text: plot_alignment(
        x[0], x[1], np.eye(6), (2, 3), text),
    'interpolation': lambda x, text: plot_interpolation(
        {text: x}, np.ones(2), (x[0], x[1])),
    'localization': lambda x, text: plot_localization([LocalizedPicture(
        x[0], np.ones((8, 12)), BOX, BOX[None], text)]),
    'saliency': lambda x, text: plot_saliency([SaliencyPicture(
        x[0], x[1], np.ones((8, 12)), BOX, x[0], .5)]),
}
TABLES = {
    'bars': lambda x, text: plot_reliability({text: TABLE}),
    'lines': lambda x, text: plot_reliability({text: TABLE, 'b': TABLE}),
}
NO_TEXTS = {
    'transport': lambda x, text: plot_transport(
        np.ones((2, 3)), np.ones((2, 3)), np.eye(3), np.eye(3), .5),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize('name, text', [
    *((name, 'run_$SEED_$LR') for name in {**FIGURES, **TABLES}),
    *(('bars', text) for text in (
        '$x$', r'a\$b$c$', '$', '50 % & #1', '_run_1'))])
def test_names_are_no_formulas(name, text):
    figure = {**FIGURES, **TABLES}[name](images(), text)
    figure.savefig(io.BytesIO(), format='svg', dpi=20)
    assert name == 'saliency' or any(text in shown for shown in texts(figure))


@pytest.mark.parametrize('name', {**FIGURES, **TABLES, **NO_TEXTS})
def test_no_text_of_any_figure_is_a_formula(name):
    figure = {**FIGURES, **TABLES, **NO_TEXTS}[name](images(), 'a')
    assert not any(text.get_parse_math() for text in figure.findobj(Text))


def test_names_of_files_that_are_not_unicode():
    """Python keeps such bytes as lone surrogates."""
    figure = FIGURES['mixed'](images(), b'caf\xe9'.decode(
        errors='surrogateescape'))
    to_array(figure)
    assert 'caf?' in texts(figure)


def test_labels_that_begin_with_a_line_are_in_the_legend():
    """Matplotlib leaves them out."""
    figure = plot_reliability({'_a': TABLE, '__b': TABLE})
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.split(':')[0].strip() for text in shown] == [
        'perfectly calibrated', '_a', '__b']


@pytest.mark.parametrize('name', FIGURES)
def test_gray_images_are_gray(name):
    """Of one channel, as of three equal ones."""
    gray = images(channels=1)
    found = to_array(FIGURES[name](gray, ''))
    expected = to_array(FIGURES[name](gray.repeat(3, -1), ''))
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize('value, shown', [
    (np.uint8(51), .2), (np.int64(51), .2), (np.float32(.2), .2),
    (np.bool_(True), 1)])
def test_levels_are_those_of_images_in_colour(value, shown):
    figure = FIGURES['mixed'](images(), '')
    axes = figure.axes[0]
    for shape in (4, 6), (4, 6, 1):
        show_image(axes, np.full(shape, value))
        level = axes.images[-1].to_rgba(axes.images[-1].get_array())
        np.testing.assert_allclose(level[..., :3], shown, atol=1 / 255)
