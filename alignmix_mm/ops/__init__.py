"""Transport and alignment of feature maps; needs only torch."""
from .align import align, align_and_mix
from .cost import pairwise_cost
from .transport import TransportInfo, assignment

__all__ = [
    'TransportInfo', 'align', 'align_and_mix', 'assignment', 'pairwise_cost'
]
