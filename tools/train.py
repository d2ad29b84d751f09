#!/usr/bin/env python
"""The command `alignmix train`."""
from alignmix_mm.cli.train import main

if __name__ == '__main__':
    main()
