import numpy as np
from matplotlib.patches import ConnectionPatch

from alignmix_mm.visualization import (
    move_cells,
    plot_alignment,
    plot_mixed_batch,
    save,
)
from alignmix_mm.visualization.alignment import strongest_matches


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


def test_the_strongest_few_matches_are_drawn():
    image = np.zeros((15, 21, 3), np.uint8)
    plan = np.full((35, 35), .01)
    strong = [3, 8, 11, 20, 27, 34]
    plan[strong, strong[::-1]] = [.9, .5, .7, .6, .8, .4]
    figure = plot_alignment(image, image, plan, (5, 7))
    arrows = figure.findobj(ConnectionPatch)

    def center(cell):
        return cell % 7 * 3 + 1, cell // 7 * 3 + 1
    assert [(arrow.xy1, arrow.xy2) for arrow in arrows] == [
        (center(i), center(j)) for i, j in zip(strong, strong[::-1])]
    marks = [line for axis in figure.axes[:2] for line in axis.lines]
    assert len(marks) == 12


def test_of_equal_matches_those_far_apart_are_drawn():
    plan = np.eye(25)
    corners = [0, 4, 20, 24]
    assert strongest_matches(plan, (5, 5), 4).tolist() == corners
    # what is stronger comes first, wherever it is
    plan[[1, 2], [1, 2]] = 3, 4
    assert {1, 2} < set(strongest_matches(plan, (5, 5), 3))
    # rounding decides nothing
    noisy = np.eye(25) - np.diag(np.linspace(0, 1e-3, 25)[::-1])
    assert strongest_matches(noisy, (5, 5), 4).tolist() == corners
    assert strongest_matches(np.eye(1), (1, 1), 6).tolist() == [0]


def test_pictures_are_written(tmp_path):
    images = np.random.randint(0, 255, (3, 8, 8, 3), np.uint8)
    figure = plot_mixed_batch(images, images, images, np.ones(3), ['a'] * 3)
    path = tmp_path / 'new' / 'batch.png'
    save(figure, path)
    assert path.stat().st_size > 1000
