"""From a folder of photos and flags to a config: `alignmix train --data`."""
