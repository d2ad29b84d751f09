#!/usr/bin/env python
"""The command `alignmix visualize localization`."""
from alignmix_mm.cli.visualize_localization import main

if __name__ == '__main__':
    main()
