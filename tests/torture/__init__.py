"""A campaign of kills, torn writes, failing disks and damaged files: `make torture`. Not a test."""
