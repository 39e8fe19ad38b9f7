"""``python -m napari_bloodflow``."""

from napari_bloodflow.cli import main

main(prog_name="napari-bloodflow")
