"""Blinding: numbers that say nothing about names, and texts without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_bloodflow import AcqImage
from napari_bloodflow._napari.blinding import Blinding
from napari_bloodflow.synthetic import moving_streaks, write_tiff

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gui


@given(order=st.permutations(range(30)))
def test_numbers_depend_on_the_files_only_and_are_shuffled(
    order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp()
    paths = [root / "study" / f"v{number:02}.tif" for number in range(30)]
    first, second = Blinding(), Blinding()
    first.number_files(paths)
    second.number_files([paths[number] for number in order])
    numbers = [first.number_of(path) for path in paths]
    assert numbers == [second.number_of(path) for path in paths]
    assert sorted(numbers) == list(range(1, 31))
    assert numbers != sorted(numbers)


def test_a_file_of_no_list_gets_the_next_number(tmp_path: Path) -> None:
    blinding = Blinding()
    blinding.number_files([tmp_path / "a.tif", tmp_path / "b.tif"])
    blinding.is_on = True
    assert blinding.label(tmp_path / "c.tif") == blinding.label(tmp_path / "c.tif") == "File 3"
    assert blinding.label(tmp_path / "d.tif") == "File 4"


def test_texts_are_cleaned_only_while_it_is_on(tmp_path: Path) -> None:
    path = tmp_path / "secret.tif"
    write_tiff(moving_streaks(32, 16), path)
    acq, blinding = AcqImage(path), Blinding()
    text = f"Saved secret.tif.json in {tmp_path}"
    assert blinding.clean(text, acq) == text
    blinding.is_on = True
    assert blinding.clean(text, acq) == "Saved File 1.json in its folder"
    assert blinding.clean("secrets of secret-copy", acq) == "secrets of File 1-copy"
    assert blinding.label_of(acq) == "File 1"
