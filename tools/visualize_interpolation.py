#!/usr/bin/env python
"""The command `alignmix visualize interpolation`."""
from alignmix_mm.cli.visualize_interpolation import main

if __name__ == '__main__':
    main()
