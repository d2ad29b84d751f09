import numpy as np

from alignmix_mm.visualization import plot_transport

A = np.array([[0., 1, 2], [0, 1, 0]])
B = np.array([[5., 4, 6], [3, 2, 1]])
PLAN = np.array([[0, 1., 0], [1, 0, 0], [0, 0, 1]])  # 0-1, 1-0, 2-2


def points_of(axes, label):
    found, = (c for c in axes.collections if c.get_label() == label)
    return np.asarray(found.get_offsets()).T


def test_panels_show_what_they_are_given():
    cost = np.arange(9.).reshape(3, 3)
    figure = plot_transport(A, B, cost, PLAN, .25)
    points, costs, plans, matches, first, second = figure.axes[:6]
    np.testing.assert_array_equal(points_of(points, 'A'), A)
    np.testing.assert_array_equal(points_of(points, "A'"), B)
    np.testing.assert_array_equal(costs.images[0].get_array(), cost)
    np.testing.assert_array_equal(plans.images[0].get_array(), PLAN)
    lines = sorted(line.get_xydata().tolist() for line in matches.lines)
    assert lines == [[[0, 0], [4, 2]], [[1, 1], [5, 3]], [[2, 0], [6, 1]]]
    aligned, back = B[:, [1, 0, 2]], A[:, [1, 0, 2]]
    np.testing.assert_allclose(points_of(first, "A' aligned to A"), aligned)
    np.testing.assert_allclose(points_of(first, 'mixture, λ = 0.25'),
                               .25 * A + .75 * aligned)
    np.testing.assert_allclose(points_of(second, "A aligned to A'"), back)
    np.testing.assert_allclose(points_of(second, 'mixture, λ = 0.25'),
                               .25 * B + .75 * back)


def test_sets_of_different_size():
    """Columns of the plan sum to 3 / 2; backwards they are weights again."""
    plan = np.array([[1, 0.], [.5, .5], [0, 1]])
    figure = plot_transport(A, B[:, :2], np.ones((3, 2)), plan, .5)
    back = points_of(figure.axes[5], "A aligned to A'")
    np.testing.assert_allclose(back, A @ (plan / plan.sum(0)))
