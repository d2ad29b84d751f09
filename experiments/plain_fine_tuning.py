#!/usr/bin/env python
"""Fine-tune EfficientNet-Lite0 in plain PyTorch, like `alignmix train --data`.

It uses the same network, weights, photos, augmentation, optimizer and
schedule, without OpenMMLab packages: both have to reach the same accuracy.

  python experiments/plain_fine_tuning.py PHOTOS efficientnet_lite0.pth
  alignmix train --data PHOTOS --model tf_efficientnet_lite0 --method none
      --pretrained efficientnet_lite0.pth --epochs 3 --size 128
"""
import argparse
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def make_loader(folder: Path, size: int, batch: int,
                trains: bool) -> DataLoader:
    """Batches of a folder of class folders."""
    kind = transforms.InterpolationMode.BILINEAR
    steps = [transforms.RandomResizedCrop(size, (.35, 1), interpolation=kind),
             transforms.RandomHorizontalFlip()] if trains else [
        transforms.Resize(round(size * 256 / 224), kind),
        transforms.CenterCrop(size)]
    steps += [transforms.PILToTensor(),
              transforms.Lambda(lambda x: (x.float() - 127.5) / 127.5)]
    return DataLoader(
        datasets.ImageFolder(folder, transforms.Compose(steps)), batch,
        shuffle=trains, drop_last=trains, num_workers=0)


def parameter_groups(network: nn.Module) -> list[dict]:
    """Parameters with and without (biases, normalization) weight decay."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [dict(params=decayed, weight_decay=.05),
            dict(params=others, weight_decay=0.)]


def train(network: nn.Module, loader: DataLoader, epochs: int,
          lr: float) -> None:
    """Train with AdamW, a warm-up of one epoch and a cosine down to 0."""
    optimizer = torch.optim.AdamW(parameter_groups(network), lr)
    warmup, steps = len(loader), epochs * len(loader)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [
        torch.optim.lr_scheduler.LinearLR(optimizer, .01, 1, warmup),
        torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, steps - warmup)], [warmup])
    for epoch in range(epochs):
        network.train()
        for images, labels in loader:
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.)
            optimizer.step()
            schedule.step()
        print(f'epoch {epoch + 1}, loss {loss:.3f}', flush=True)


@torch.no_grad()
def accuracy(network: nn.Module, loader: DataLoader) -> float:
    """Top-1 accuracy in percent."""
    network.eval()
    hits = torch.cat([network(images).argmax(1) == labels
                      for images, labels in loader])
    return 100 * hits.float().mean().item()


def main() -> None:
    """Train and print the accuracies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('photos', type=Path)
    parser.add_argument('weights', type=Path)
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--lr', type=float, default=5e-4)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    loaders = {split: make_loader(args.photos / split, args.size,
                                  args.batch_size, split == 'train')
               for split in ('train', 'val', 'test')}
    network = timm.create_model('tf_efficientnet_lite0')
    network.load_state_dict(torch.load(args.weights, weights_only=True))
    network.reset_classifier(len(loaders['train'].dataset.classes))
    nn.init.normal_(network.classifier.weight, std=.01)
    nn.init.zeros_(network.classifier.bias)
    train(network, loaders['train'], args.epochs, args.lr)
    for split in 'val', 'test':
        print(f'{split} {accuracy(network, loaders[split]):.2f} %')


if __name__ == '__main__':
    main()
