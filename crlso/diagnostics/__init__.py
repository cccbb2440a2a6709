"""What a latent space and a surrogate in it are like."""

from __future__ import annotations

from crlso.diagnostics.hull import ConvexPosition, HullCertificate, convex_position, hull_certificate
from crlso.diagnostics.latent import LatentReport, StepReport, diagnose
from crlso.diagnostics.maps import LatentMap, latent_map

__all__ = [
    "ConvexPosition",
    "HullCertificate",
    "LatentMap",
    "LatentReport",
    "StepReport",
    "convex_position",
    "diagnose",
    "hull_certificate",
    "latent_map",
]


def __dir__() -> list[str]:
    return __all__
