"""PCA noise on images that keep their range."""
import mmcv
import numpy as np
from mmpretrain.datasets.transforms import Lighting
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FloatLighting(Lighting):
    """MMPretrain's ``Lighting``, which leaves the image in float32.

    The original converts it back to the dtype that came. With ``uint8``, a
    white pixel that becomes brighter turns black.

    The arguments are those of ``Lighting``. With ``to_rgb=True`` the image
    stays in RGB, so use ``to_rgb=False``, with one row of ``eigvec`` for each
    channel in the order of the image, which is BGR after loading.
    """

    def transform(self, results: dict) -> dict:
        """Add the noise.

        Args:
            results (dict): A sample with ``img``, ``(H, W, 3)``, any dtype.

        Returns:
            dict: The sample with ``img`` in float32; values may lie outside
            the range of pixels.
        """
        results['img'] = mmcv.adjust_lighting(
            results['img'], self.eigval, self.eigvec, alphastd=self.alphastd,
            to_rgb=self.to_rgb).astype(np.float32)
        return results
