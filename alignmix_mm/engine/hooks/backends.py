"""Repaired backends of MMEngine's visualizer."""
from typing import Any

import numpy as np
from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend


@VISBACKENDS.register_module()
class MLflowImageVisBackend(MLflowVisBackend):
    """MLflow backend with images, stored in one file for each step."""

    def add_image(self, name: str, image: np.ndarray, step: int = 0,
                  **kwargs: Any) -> None:
        """Store an image.

        Args:
            name (str): Its name, without step or suffix.
            image (np.ndarray): ``(H, W, 3)``, uint8, RGB.
            step (int): The step. Defaults to 0.
            **kwargs: Not used.
        """
        super().add_image(f'{name}_{step}.png', image, step)
