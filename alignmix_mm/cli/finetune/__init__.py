"""Turn a folder of photos into a config: `alignmix train --data`."""
