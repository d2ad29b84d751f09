import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

OPTIONS = dict(eigval=[55.4625, 4.794, 1.1475], eigvec=[
    [-.5836, -.6948, .4203], [-.5808, -.0045, -.814], [-.5675, .7192, .4009]])


def light(img):
    noise = TRANSFORMS.build(dict(type='FloatLighting', **OPTIONS))
    return noise(dict(img=img))['img']


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('colour', [(0, 0, 0), (255, 255, 255), (9, 90, 200)])
def test_all_pixels_are_moved_alike_and_none_wraps(dtype, colour):
    """The move is V (alpha * eigenvalues), with alpha of deviation .1."""
    image = np.broadcast_to(np.array(colour, dtype), (3, 5, 3))
    vectors = np.array(OPTIONS['eigvec'])
    alphas = []
    for _ in range(50):
        lit = light(image)
        assert lit.dtype == np.float32 and lit.shape == image.shape
        moves = lit - image.astype(np.float32)
        # 1e-4: float32 at 255
        np.testing.assert_allclose(moves, np.broadcast_to(
            moves[0, 0], moves.shape), atol=1e-4)
        alphas.append(np.linalg.solve(vectors, moves[0, 0])
                      / OPTIONS['eigval'])
    assert np.abs(alphas).max() < .5  # 5 deviations; a wrap is 255
    assert .07 < np.std(alphas) < .13  # of 150 draws
