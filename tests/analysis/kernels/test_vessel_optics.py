"""Model vessels, and the diameters that measured widths stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from napari_bloodflow.analysis.kernels.edges_guided import (
    GuidedSettings,
    edge_sigma_px,
    iter_guided_edges,
)
from napari_bloodflow.analysis.kernels.vessel_optics import (
    OpticalModel,
    diameter_calibration,
    vessel_profile,
)

SIGMA = edge_sigma_px(1.6)
MODELS: tuple[OpticalModel, ...] = ("flat", "section", "cylinder")


@pytest.mark.parametrize("diameter", [8.0, 60.0])
@pytest.mark.parametrize("section", [0.5, 8.0])
@pytest.mark.parametrize("model", MODELS)
def test_a_profile_is_the_blurred_depth_of_light(
    model: OpticalModel, section: float, diameter: float
) -> None:
    radius = diameter / 2

    def light(r: float) -> float:
        height = np.sqrt(max(radius**2 - r**2, 0.0))
        if model == "flat":
            return 1.0
        if model == "cylinder":
            return float(height / radius)
        return float(np.expm1(-height / section) / np.expm1(-radius / section))

    for x in (0.0, 0.6 * radius, radius, radius + 2):

        def blurred(r: float, x: float = x) -> float:
            return float(light(r) * np.exp(-0.5 * ((x - r) / SIGMA) ** 2))

        low, high = max(-radius, x - 8 * SIGMA), min(radius, x + 8 * SIGMA)
        expected = quad(blurred, low, high, limit=200)[0] / (np.sqrt(2 * np.pi) * SIGMA)
        found = vessel_profile(np.array([-x, x]), diameter, SIGMA, model, section)
        assert found == pytest.approx(expected, abs=2e-3)


def test_a_thin_section_looks_flat_and_a_deep_one_like_a_cylinder() -> None:
    x = np.arange(-40.0, 41.0)
    flat, cylinder = (vessel_profile(x, 40.0, SIGMA, model) for model in ("flat", "cylinder"))
    thin = vessel_profile(x, 40.0, SIGMA, "section", 0.05)
    deep = vessel_profile(x, 40.0, SIGMA, "section", 1e4)
    np.testing.assert_allclose(thin, flat, atol=0.01)
    np.testing.assert_allclose(deep, cylinder, atol=0.01)


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_width_leads_back_to_its_diameter(model: OpticalModel, refine: bool) -> None:
    settings = GuidedSettings(1, 1, refine=refine)
    widths, diameters = diameter_calibration(settings, 50.0, model, 8.0)
    assert (np.diff(widths) > 0).all()
    assert (np.diff(diameters) > 0).all()
    for diameter in (10.0, 24.0, 48.0):
        profile = vessel_profile(np.arange(128.0) - 63.6, diameter, SIGMA, model, 8.0)
        rows = [r for r in iter_guided_edges(profile[np.newaxis], settings) if r.left.size]
        width = rows[0].right[0] - rows[0].left[0]
        assert np.interp(width, widths, diameters) == pytest.approx(diameter, abs=0.1)


def test_a_projected_vessel_looks_a_seventh_narrower() -> None:
    widths, diameters = diameter_calibration(GuidedSettings(1, 1), 60.0, "cylinder")
    width = np.interp(40.0, diameters, widths)
    assert width / 40.0 == pytest.approx(1 - 0.14, abs=0.01)
