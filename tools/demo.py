#!/usr/bin/env python
"""The command `alignmix demo`."""
from alignmix_mm.cli.demo import main

if __name__ == '__main__':
    main()
