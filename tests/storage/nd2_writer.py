"""Write small ND2 files of version 3, for want of a program that does.

A file is a row of chunks: magic number, length of the name, length of the data, name, data. The
last one lists the offset of each by its name. Metadata are trees of named values,
each with its type before it.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK = struct.Struct("<IIQ")
MAGIC = 0x0ABECEDA
MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
NAME_LENGTH = 4072  # pixels then begin 4096 bytes after the chunk: 16 of its header, 8 of a time


def value(name: str, item: Any) -> bytes:
    """Return one value of a tree: bool, int, float, text, or a dict of them."""
    encoded = (name + "\0").encode("utf-16-le")
    match item:
        case bool():
            kind, data = 1, struct.pack("<?", item)
        case int():
            kind, data = 3, struct.pack("<I", item)
        case float():
            kind, data = 6, struct.pack("<d", item)
        case str():
            kind, data = 8, (item + "\0").encode("utf-16-le")
        case _:
            items = [value(key, child) for key, child in item.items()]
            children = b"".join(items)
            length = 2 + len(encoded) + 12 + len(children)
            kind = 11
            data = struct.pack("<IQ", len(items), length) + children + bytes(8 * len(items))
    return bytes((kind, len(encoded) // 2)) + encoded + data


def loops(experiment: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Return loops as a tree, the outermost first.

    Kinds are 1 for time, 2 for positions, 4 for a z stack, 8 for phases of time.
    """
    (kind, parameters), *inner = experiment
    level: dict[str, Any] = {"eType": kind, "uLoopPars": parameters}
    return level | ({"ppNextLevelEx": {"": loops(inner)}} if inner else {})


def time_loop(count: int, period_ms: float, measured_ms: float = 0.0) -> tuple[int, dict[str, Any]]:
    times = {"dStart": 0.0, "dPeriod": period_ms, "dDuration": count * period_ms}
    return 1, {"uiCount": count} | times | {"dAvgPeriodDiff": measured_ms}


def z_loop(count: int) -> tuple[int, dict[str, Any]]:
    return 4, {"uiCount": count, "dZStep": 1.0}


def write_nd2(
    path: Path,
    frames: NDArray[Any],
    experiment: list[tuple[int, dict[str, Any]]],
    *,
    components: int = 1,
    num_stored: int | None = None,
    compression: int = 2,
    date: str = "",
    **picture: Any,
) -> Path:
    """Write frames of the shape (frame, y, x, channel times component).

    `picture` are further values of the metadata of the picture, such as ``dCalibration=0.25``.
    """
    num_frames, height, width, depth = frames.shape
    num_channels = depth // components
    bits = frames.dtype.itemsize * 8
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": width * depth * frames.dtype.itemsize,
        "uiHeight": height,
        "uiComp": depth,
        "uiBpcInMemory": bits,
        "uiBpcSignificant": bits,
        "uiSequenceCount": num_frames,
        "eCompression": compression,  # 0 without losses, 1 with losses, 2 none
        "dCompressionParam": 0.0,
    }
    probe = {"m_ExcitationSpectrum": {"uiCount": 0}}
    plane = {"uiCompCount": components, "uiColor": 255, "pFluorescentProbe": probe}
    planes = {f"a{i}": plane | {"sDescription": f"channel {i}"} for i in range(num_channels)}
    picture = {"dCalibration": 0.25, "bCalibrated": True} | picture
    picture |= {"sPicturePlanes": {"uiCount": num_channels, "sPlaneNew": planes}}
    trees = {
        "ImageAttributesLV!": value("SLxImageAttributes", attributes),
        "ImageMetadataSeqLV|0!": value("SLxPictureMetadata", picture),
        "ImageTextInfoLV!": value("SLxImageTextInfo", {"TextInfoItem_9": date}),
    }
    if experiment:
        trees["ImageMetadataLV!"] = value("SLxExperiment", loops(experiment))
    for i, frame in enumerate(frames[:num_stored]):
        pixels = zlib.compress(frame.tobytes()) if compression == 0 else frame.tobytes()
        trees[f"ImageDataSeq|{i}!"] = struct.pack("<d", float(i)) + pixels

    content = (
        CHUNK.pack(MAGIC, 32, 64) + b"ND2 FILE SIGNATURE CHUNK NAME01!" + b"Ver3.0".ljust(64, b"\0")
    )
    places = b""
    for name, data in trees.items():
        places += name.encode() + struct.pack("<QQ", len(content), len(data))
        content += (
            CHUNK.pack(MAGIC, NAME_LENGTH, len(data))
            + name.encode().ljust(NAME_LENGTH, b"\0")
            + data
        )
    places += MAP_SIGNATURE + struct.pack("<Q", len(content))
    name_of_map = b"ND2 FILEMAP SIGNATURE NAME 0001!"
    path.write_bytes(
        content + CHUNK.pack(MAGIC, len(name_of_map), len(places)) + name_of_map + places
    )
    return path
