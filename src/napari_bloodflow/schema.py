"""Schemas of editable values: one definition for the model, the forms and the files.

A pydantic model declares its fields with :func:`field`; :func:`schema_of` turns them into plain
:class:`FieldSchema` rows, from which forms, tables and documentation are made.
"""

from __future__ import annotations

import math
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "FieldSchema",
    "FloatOrNone",
    "IntOrNone",
    "Schema",
    "Text",
    "field",
    "plain_validation_message",
    "schema_of",
    "to_float",
]

ValueType = Literal["str", "int", "float", "bool", "enum"]


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One field: its name in files and scripts, and what a form needs to show it.

    Parameters
    ----------
    name : str
        Key in files and scripts.
    display_name : str
        Label for people.
    value_type : {"str", "int", "float", "bool", "enum"}
        Kind of value; ``enum`` has `choices`.
    default_value : object
        Value of a new record.
    description : str
        One sentence of help.
    unit : str
        Unit of the value, empty when it has none.
    group : str
        Heading under which forms put it.
    choices : tuple
        Allowed values; empty when any value of the type is allowed.
    choice_labels : tuple of str
        Names of `choices` for people.
    only_for : tuple of str
        The methods of an analysis that the field matters to; empty if it matters to all.
    minimum, maximum : float or None
        Least and largest value; None without a limit.
    step : float or None
        From one allowed value to the next, starting from `minimum`; None if all are allowed.
    editable, visible : bool
        Whether users may change it, and whether forms show it.
    """

    name: str
    display_name: str
    value_type: ValueType
    default_value: Any = None
    description: str = ""
    unit: str = ""
    group: str = ""
    choices: tuple[Any, ...] = ()
    choice_labels: tuple[str, ...] = ()
    only_for: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    editable: bool = True
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one section, table or parameter set, in display order."""

    schema_id: str
    version: int
    fields: tuple[FieldSchema, ...]

    def __getitem__(self, name: str) -> FieldSchema:
        for entry in self.fields:
            if entry.name == name:
                return entry
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in order."""
        return tuple(entry.name for entry in self.fields)


def field(
    default: Any,
    display_name: str,
    *,
    description: str = "",
    unit: str = "",
    group: str = "",
    choices: tuple[Any, ...] = (),
    choice_labels: Mapping[str, str] | None = None,
    step: float | None = None,
    only_for: tuple[str, ...] = (),
    editable: bool = True,
    visible: bool = True,
    **constraints: Any,
) -> Any:
    """Declare a model field with what forms and tables need to know about it.

    Parameters
    ----------
    default : object
        Value of a new record.
    display_name, description, unit, group : str
        See :class:`FieldSchema`.
    choices : tuple
        Allowed values of a field that is not a ``Literal``; a validator has to hold to them.
    choice_labels : mapping of str to str, optional
        Names of choices for people; the others are named after their values.
    step : float, optional
        See :class:`FieldSchema`.
    only_for : tuple of str
        See :class:`FieldSchema`.
    editable, visible : bool
        See :class:`FieldSchema`.
    **constraints
        Passed on to :func:`pydantic.Field` (``ge``, ``gt``, ``multiple_of``...).

    Returns
    -------
    object
        A pydantic field.
    """
    extra: dict[str, Any] = {
        "unit": unit,
        "group": group,
        "choices": list(choices),
        "choice_labels": dict(choice_labels or {}),
        "step": step,
        "only_for": list(only_for),
        "editable": editable,
        "visible": visible,
    }
    return Field(
        default=default,
        title=display_name,
        description=description,
        json_schema_extra=extra,
        **constraints,
    )


def schema_of(model: type[BaseModel], schema_id: str, version: int) -> Schema:
    """Describe the fields of a pydantic model.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        A model whose fields were made with :func:`field`.
    schema_id : str
        Name of the schema.
    version : int
        Its version.

    Returns
    -------
    Schema
        One row a field, in order of declaration.
    """
    hints = typing.get_type_hints(model)
    rows = []
    for name, info in model.model_fields.items():
        extra: dict[str, Any] = {}
        if isinstance(info.json_schema_extra, dict):
            extra.update(info.json_schema_extra)
        value_type, choices = _value_type(hints[name])
        if extra.get("choices"):
            value_type, choices = "enum", tuple(extra["choices"])
        labels = extra.get("choice_labels", {})
        limits = _limits(info.metadata)
        rows.append(
            FieldSchema(
                name=name,
                display_name=info.title or name,
                value_type=value_type,
                default_value=info.default,
                description=info.description or "",
                unit=extra.get("unit", ""),
                group=extra.get("group", ""),
                choices=choices,
                choice_labels=tuple(labels.get(choice) or _plain(choice) for choice in choices),
                only_for=tuple(extra.get("only_for", ())),
                minimum=limits.get("ge", limits.get("gt")),
                maximum=limits.get("le", limits.get("lt")),
                step=extra.get("step"),
                editable=extra.get("editable", True),
                visible=extra.get("visible", True),
            )
        )
    return Schema(schema_id, version, tuple(rows))


def _limits(metadata: Iterable[Any]) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt")
    return {
        name: value
        for entry in metadata
        for name in names
        if (value := getattr(entry, name, None)) is not None
    }


def _plain(choice: Any) -> str:
    text = str(choice).replace("_", " ")
    return text[:1].upper() + text[1:]


def _value_type(annotation: Any) -> tuple[ValueType, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    if get_origin(annotation) is Literal:
        return "enum", get_args(annotation)
    if annotation is bool:
        return "bool", ()
    if annotation is int:
        return "int", ()
    if annotation is float:
        return "float", ()
    return "str", ()


def plain_validation_message(error: Exception) -> str:
    """Turn a pydantic validation error into ``"field: reason"`` clauses for people."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    clauses = []
    for item in errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"])
        reason = str(item["msg"]).removeprefix("Value error, ")
        given = item.get("input")
        clauses.append(f"{place}: {reason} (got {given!r})")
    return "; ".join(clauses)


# Values typed by people: text is trimmed, blank numbers mean "not known".


def _to_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise ValueError("must be text")
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return str(value).strip()


def _blank_to_none(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not yes/no")
    if isinstance(value, str):
        value = value.strip()
        return value or None
    return value


def to_float(value: Any) -> float:
    """Return a finite number, from a number or a text.

    Raises
    ------
    ValueError
        If it is anything else; pydantic reports no other error.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _to_integer(value: Any) -> Any:
    value = _blank_to_none(value)
    if value is None:
        return None
    number = to_float(value)
    if number != int(number):
        raise ValueError("must be a whole number")
    return int(number)


def _to_finite(value: Any) -> Any:
    value = _blank_to_none(value)
    if value is None:
        return None
    return to_float(value)


Text = Annotated[str, BeforeValidator(_to_text)]
"""Text, trimmed; ``None`` becomes empty."""
IntOrNone = Annotated[int | None, BeforeValidator(_to_integer)]
"""Whole number or ``None`` when blank."""
FloatOrNone = Annotated[float | None, BeforeValidator(_to_finite)]
"""Finite number or ``None`` when blank."""
