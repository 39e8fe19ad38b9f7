"""Write the CZI files beside this script, with Zeiss' own library: ``pip install pylibCZIrw``.

Pixels are numbered in the order T, C, Z, Y, X; see tests/storage/test_czi.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pylibCZIrw.czi import create_czi, edit_czi

INTERVAL = "<T><Positions><Interval><Increment>{}</Increment></Interval></Positions></T>"
DATE = "<AcquisitionDateAndTime>2024-05-06T07:08:09.1234567Z</AcquisitionDateAndTime>"
FILES = {
    "lines_uint8": ((30, 2, 1, 1, 8), "uint8", "0.0015"),
    "lines_uint16": ((30, 2, 1, 1, 8), "uint16", "0.0015"),
    "lines_float32": ((30, 2, 1, 1, 8), "float32", "0.0015"),
    "lines_fast": ((4, 1, 1, 1, 8), "uint16", "fast"),
    "frames": ((2, 2, 3, 6, 5), "uint16", "2"),
    "frame": ((1, 1, 1, 6, 5), "uint16", ""),
    "one_line": ((1, 1, 1, 1, 8), "uint16", ""),
}


def main() -> None:
    for name, (shape, dtype, dt_s) in FILES.items():
        path = Path(__file__).with_name(f"{name}.czi")
        path.unlink(missing_ok=True)
        pixels = (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)
        with create_czi(str(path)) as czi:
            for t, c, z in np.ndindex(shape[:3]):
                czi.write(data=pixels[t, c, z][..., None], plane={"T": t, "C": c, "Z": z})
            czi.write_metadata("name", scale_x=0.25e-6, scale_y=0.25e-6)
        if dt_s:
            with edit_czi(str(path)) as editor, editor.edit_session() as builder:
                times = DATE + "<Dimensions>" + INTERVAL.format(dt_s)
                builder.set_xml(builder.get_xml().replace("<Dimensions>", times, 1))


if __name__ == "__main__":
    main()
