"""Results for other programs and for papers."""
