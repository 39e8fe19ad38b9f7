"""What is measured on an acquisition, and how results are kept."""
