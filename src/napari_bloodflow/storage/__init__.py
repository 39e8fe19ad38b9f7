"""What is on disk: images, sidecar JSON, CSV tables, safe replacement of files."""
