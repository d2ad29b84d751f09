#!/usr/bin/env python
"""The command `alignmix visualize alignment`."""
from alignmix_mm.cli.visualize_alignment import main

if __name__ == '__main__':
    main()
