"""Editable metadata of one acquisition: the experiment and the image header.

Field names, groups and types are those of the sidecar format, so that any program reading the
format finds them.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from psygnal import SignalGroupDescriptor
from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationError

from napari_bloodflow.schema import (
    FloatOrNone,
    IntOrNone,
    Schema,
    Text,
    field,
    plain_validation_message,
    schema_of,
    to_float,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AcqImageHeader", "ExperimentMetadata", "MetadataSection", "swapped_field"]


class MetadataSection(BaseModel):
    """A group of typed fields that forms and scripts edit and sidecars keep.

    Assigning to a field validates it and emits ``section.events.<field>(new, old)``.

    Attributes
    ----------
    metadata_section_id : str
        Key of the section in files and scripts.
    display_section_title : str
        Title for people.
    events : psygnal.SignalGroup
        One signal a field.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    metadata_section_id: ClassVar[str]
    display_section_title: ClassVar[str]
    schema_version: ClassVar[int] = 1
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    _clean: dict[str, Any] = PrivateAttr(default_factory=dict)

    def model_post_init(self, context: Any, /) -> None:
        """Take the values of a new section as saved."""
        self.set_clean()

    @classmethod
    @cache
    def get_schema(cls) -> Schema:
        """Describe the fields, in display order."""
        return schema_of(cls, cls.metadata_section_id, cls.schema_version)

    def get_values(self) -> dict[str, Any]:
        """Return all values by field name."""
        return self.model_dump()

    @classmethod
    def check_value(cls, name: str, value: Any) -> str:
        """Say what is wrong with a value of a field; empty if it would be taken.

        Raises
        ------
        KeyError
            If there is no such field.
        """
        cls.get_schema()[name]
        try:
            cls.model_validate({name: value})
        except ValidationError as error:
            return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
        return ""

    def update_values(self, patch: Mapping[str, Any]) -> None:
        """Change several fields, all or none; they are announced when all are set.

        Parameters
        ----------
        patch : mapping
            New values by field name.

        Raises
        ------
        KeyError
            If a field does not exist.
        ValueError
            If a field is read-only or a value does not fit; the text names the field.
        """
        schema = self.get_schema()
        for name in patch:
            try:
                editable = schema[name].editable
            except KeyError:
                raise KeyError(
                    f"{name!r} is not a field of {self.display_section_title};"
                    f" it has {', '.join(schema.names)}"
                ) from None
            if not editable:
                raise ValueError(f"{name} is read from the image and cannot be changed")
        try:
            checked = type(self).model_validate({**self.get_values(), **patch})
        except ValidationError as error:
            raise ValueError(plain_validation_message(error)) from None
        values = {name: getattr(checked, name) for name in patch}
        fresh = {name: value for name, value in values.items() if value != getattr(self, name)}
        with ExitStack() as pauses:
            for name in reversed(fresh):
                pauses.enter_context(self.events[name].paused())
            for name, value in fresh.items():
                setattr(self, name, value)

    def is_dirty(self) -> bool:
        """Tell whether a value differs from that of the last load or save."""
        return self.get_values() != self._clean

    def set_clean(self) -> None:
        """Take the present values as saved."""
        self._clean = self.get_values()

    def changed_fields(self) -> set[str]:
        """Return the fields that differ from the last load or save."""
        return {name for name, value in self.get_values().items() if value != self._clean[name]}

    def to_dict(self) -> dict[str, Any]:
        """Return the values as the sidecar stores them."""
        return self.get_values()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MetadataSection:
        """Make a section from sidecar values.

        Raises
        ------
        ValueError
            If a key is not a field or a value does not fit.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ValueError(plain_validation_message(error)) from None


class ExperimentMetadata(MetadataSection):
    """What was imaged, in which animal, under which condition."""

    metadata_section_id: ClassVar[str] = "experiment_metadata"
    display_section_title: ClassVar[str] = "Experiment"

    species: Text = field("", "Species", group="Animal", description="Species.")
    sex: Text = field("", "Sex", group="Animal", description="Sex.")
    genotype: Text = field("", "Genotype", group="Animal", description="Strain or genotype.")
    age: Text = field("", "Age", group="Animal", description="Age, such as P30.")
    region: Text = field("", "Region", group="Sample", description="Anatomical place.")
    cell_type: Text = field("", "Cell type", group="Sample", description="Kind of cell or vessel.")
    depth: FloatOrNone = field(
        None, "Depth", unit="um", group="Sample", description="Imaging depth below the surface."
    )
    branch_order: IntOrNone = field(
        None, "Branch order", group="Sample", description="Order of the vascular branch."
    )
    direction: Text = field(
        "", "Direction", group="Sample", description="Direction of flow or orientation."
    )
    condition: Text = field("", "Condition", group="Experiment", description="Condition.")
    condition2: Text = field("", "Condition 2", group="Experiment", description="Second condition.")
    treatment: Text = field("", "Treatment", group="Experiment", description="Treatment.")
    treatment2: Text = field("", "Treatment 2", group="Experiment", description="Second treatment.")
    date: Text = field("", "Date", group="Experiment", description="Date, as you write it.")
    note: Text = field("", "Note", group="Notes", description="Anything else.")


def _to_step(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        raise ValueError("must be a number above zero")
    try:
        number = to_float(value)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise ValueError("must be a finite number above zero")
    return number


Step = Annotated[float, BeforeValidator(_to_step)]


class AcqImageHeader(MetadataSection):
    """Shape of the image, read from the file, and its calibration, which users may correct."""

    metadata_section_id: ClassVar[str] = "acq_image_header"
    display_section_title: ClassVar[str] = "Image header"

    shape: Text = field("", "Shape", group="Header", editable=False)
    dims: Text = field("", "Dims", group="Header", editable=False)
    sizes: Text = field("", "Sizes", group="Header", editable=False)
    dtype: Text = field("", "DType", group="Header", editable=False)
    num_channels: int = field(0, "Channels", group="Header", editable=False)
    num_scenes: int = field(0, "Scenes", group="Header", editable=False, visible=False)
    date: Text = field("", "Date", group="Header", editable=False)
    time: Text = field("", "Time", group="Header", editable=False)
    physical_unit_y: Step = field(
        1.0, "Physical Unit Y", group="Calibration", description="Step per row: time of one line."
    )
    physical_unit_x: Step = field(
        1.0, "Physical Unit X", group="Calibration", description="Step per column: pixel size."
    )
    physical_label_y: Text = field(
        "Pixels", "Physical Label Y", group="Calibration", description="Unit of the row step."
    )
    physical_label_x: Text = field(
        "Pixels", "Physical Label X", group="Calibration", description="Unit of the column step."
    )

    def with_axes_swapped(self) -> AcqImageHeader:
        """Return a copy with the steps of rows and columns exchanged."""
        names = {name: swapped_field(name) for name in ("physical_unit_y", "physical_label_y")}
        values = self.get_values()
        fresh = {a: values[b] for pair in names.items() for a, b in (pair, pair[::-1])}
        return type(self).model_validate({**values, **fresh})


def swapped_field(name: str) -> str:
    """Return the field of the header that is about the other axis, or the name of any other."""
    if name.endswith("_y"):
        return f"{name[:-1]}x"
    return f"{name[:-1]}y" if name.endswith("_x") else name
