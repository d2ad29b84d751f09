import numpy as np
from matplotlib.patches import ConnectionPatch

from alignmix_mm.visualization import (
    move_cells,
    plot_alignment,
    plot_mixed_batch,
    save,
)


def test_cells_move_to_their_matches():
    image = np.arange(4 * 6 * 3).reshape(4, 6, 3)
    identity = move_cells(image, np.arange(6), (2, 3))
    assert (identity == image).all()
    moved = move_cells(image, np.array([5, 1, 2, 3, 4, 0]), (2, 3))
    assert (moved[:2, :2] == image[2:, 4:]).all()
    assert (moved[2:, 4:] == image[:2, :2]).all()
    assert (moved[:2, 2:] == image[:2, 2:]).all()


def test_arrows_go_from_a_position_to_its_match():
    image = np.zeros((8, 8, 3), np.uint8)
    plan = np.eye(4)[[1, 0, 3, 2]]
    figure = plot_alignment(image, image, plan, (2, 2), 'title')
    arrows = [artist for artist in figure.findobj(ConnectionPatch)]
    assert [(arrow.xy1, arrow.xy2) for arrow in arrows[:2]] == [
        ((1.5, 1.5), (5.5, 1.5)), ((5.5, 1.5), (1.5, 1.5))]
    assert len(arrows) == 4


def test_pictures_are_written(tmp_path):
    images = np.random.randint(0, 255, (3, 8, 8, 3), np.uint8)
    figure = plot_mixed_batch(images, images, images, np.ones(3), ['a'] * 3)
    path = tmp_path / 'new' / 'batch.png'
    save(figure, path)
    assert path.stat().st_size > 1000
