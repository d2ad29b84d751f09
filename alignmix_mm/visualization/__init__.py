"""Figures from arrays, without pyplot's global state."""
from .alignment import (
    move_cells,
    plot_alignment,
    plot_mixed_batch,
    save,
    to_array,
)
from .interpolation import plot_interpolation
from .localization import LocalizedPicture, plot_localization
from .reliability import plot_reliability
from .saliency import SaliencyPicture, plot_saliency
from .transport import plot_transport

__all__ = ['LocalizedPicture', 'SaliencyPicture', 'move_cells',
           'plot_alignment', 'plot_interpolation', 'plot_localization',
           'plot_mixed_batch', 'plot_reliability', 'plot_saliency',
           'plot_transport', 'save', 'to_array']
