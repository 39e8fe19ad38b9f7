"""What an acquisition is: image, ROIs, metadata, calibration, contrast, sidecars."""
