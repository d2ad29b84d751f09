#!/usr/bin/env python
"""Compare assignments with POT (float64) on real and made-up feature maps.

Real maps come from tests/data/real_features.npz or from `--features FILE`, an
.npz with arrays (2B, c, r): the first B maps are the anchors, the others their
partners. The exit status is 1 if a converged plan is outside its tolerance.
"""
import argparse
from pathlib import Path

DEFAULT = (Path(__file__).resolve().parents[1] / 'tests' / 'data' /
           'real_features.npz')


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--features', type=Path, default=DEFAULT)
    parser.add_argument('--eps', type=float, default=0.1)
    args = parser.parse_args()
    from sinkhorn_oracle import run
    run(args)


if __name__ == '__main__':
    main()
