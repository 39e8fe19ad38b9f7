"""Metadata sections: typed, validated, announced, all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from napari_bloodflow.acquisition.metadata import AcqImageHeader, ExperimentMetadata

EXPERIMENT_FIELDS = (
    *("species", "sex", "genotype", "age", "region", "cell_type", "depth", "branch_order"),
    *("direction", "condition", "condition2", "treatment", "treatment2", "date", "note"),
)
READ_ONLY = ("shape", "dims", "sizes", "dtype", "num_channels", "num_scenes", "date", "time")
CALIBRATION = ("physical_unit_y", "physical_unit_x", "physical_label_y", "physical_label_x")


def test_the_schemas_have_every_field_of_the_format_in_order() -> None:
    experiment, header = ExperimentMetadata.get_schema(), AcqImageHeader.get_schema()
    assert experiment.names == EXPERIMENT_FIELDS
    assert header.names == READ_ONLY + CALIBRATION
    assert {f.group for f in experiment.fields} == {"Animal", "Sample", "Experiment", "Notes"}
    assert experiment["depth"].unit == "um"
    assert experiment["branch_order"].value_type == "int"
    assert tuple(f.name for f in header.fields if f.editable) == CALIBRATION
    assert not header["num_scenes"].visible


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("species", "  mouse ", "mouse"),
        ("species", None, ""),
        ("date", 20260704, "20260704"),
        ("depth", "75", 75.0),
        ("depth", "", None),
        ("depth", None, None),
        ("branch_order", "3", 3),
        ("branch_order", 3.0, 3),
    ],
)
def test_values_are_coerced_as_people_type_them(field: str, given: Any, kept: Any) -> None:
    section = ExperimentMetadata()
    section.update_values({field: given})
    assert getattr(section, field) == kept


@pytest.mark.parametrize(
    ("field", "given"),
    [("depth", "deep"), ("depth", float("nan")), ("branch_order", 2.5), ("branch_order", True)],
)
def test_bad_values_are_refused_by_name_and_change_nothing(field: str, given: Any) -> None:
    section = ExperimentMetadata()
    with pytest.raises(ValueError, match=field):
        section.update_values({"species": "mouse", field: given})
    assert section.species == ""
    assert not section.is_dirty()


def test_unknown_fields_are_key_errors() -> None:
    with pytest.raises(KeyError, match="notes"):
        ExperimentMetadata().update_values({"notes": "x"})


def test_read_only_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype is read from the image"):
        AcqImageHeader(dtype="uint16").update_values({"dtype": "uint8"})


@pytest.mark.parametrize("step", [0, -1, float("nan"), float("inf"), None, "", True])
def test_a_step_is_a_finite_number_above_zero(step: Any) -> None:
    with pytest.raises(ValueError, match="physical_unit_y"):
        AcqImageHeader().update_values({"physical_unit_y": step})


def test_assignment_is_validated_and_announced() -> None:
    section = ExperimentMetadata()
    seen: list[tuple[Any, ...]] = []
    section.events.depth.connect(lambda new, old: seen.append((new, old)))
    section.depth = "120"  # type: ignore[assignment]
    assert seen == [(120.0, None)]
    with pytest.raises(ValueError, match="finite number"):
        section.depth = float("inf")


def test_a_patch_is_announced_when_all_of_it_is_set() -> None:
    section = ExperimentMetadata(sex="f")
    seen: list[tuple[str, Any, str, float | None]] = []
    section.events.connect(
        lambda event: seen.append((event.signal.name, event.args, section.species, section.depth))
    )
    section.update_values({"species": "rat", "sex": "f", "depth": 80})
    assert seen == [
        ("species", ("rat", ""), "rat", 80.0),
        ("depth", (80.0, None), "rat", 80.0),
    ]


def test_dirty_follows_the_values() -> None:
    section = ExperimentMetadata(species="mouse")
    section.species = "rat"
    assert section.is_dirty()
    assert section.changed_fields() == {"species"}
    section.species = "mouse"
    assert not section.is_dirty()


def test_sections_round_trip() -> None:
    section = ExperimentMetadata(species="mouse", depth=12.5, branch_order=2)
    assert ExperimentMetadata.from_dict(section.to_dict()) == section
