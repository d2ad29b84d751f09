"""SyncBatchNorm by its definition; torch supports it only on GPUs.

Importing this module installs it in ``torch.nn.SyncBatchNorm``.
"""
import torch
import torch.nn.functional as F
from torch.distributed import get_world_size
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel


def forward(self, x):
    """Normalize by the statistics of all processes."""
    if not self.training:
        return F.batch_norm(x, self.running_mean, self.running_var,
                            self.weight, self.bias, eps=self.eps,
                            training=self.running_mean is None)
    dims = [0, *range(2, x.ndim)]
    shape = [1, -1] + [1] * (x.ndim - 2)
    count = x.numel() / x.shape[1] * get_world_size()
    mean = all_reduce(x.sum(dims)) / count
    centered = x - mean.view(shape)
    var = all_reduce(centered.square().sum(dims)) / count
    with torch.no_grad():
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * count / (count - 1), self.momentum)
    scale = self.weight * (var + self.eps).rsqrt()
    return centered * scale.view(shape) + self.bias.view(shape)


torch.nn.SyncBatchNorm.forward = forward
# this method only refuses the layers on a CPU
DistributedDataParallel._passing_sync_batchnorm_handle = lambda *args: None
