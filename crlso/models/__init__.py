"""Models of cells: scikit-learn style estimators and Gaussian process regression."""

from crlso.models.base import NotFittedError
from crlso.models.classification import GaussianProcessClassifier
from crlso.models.frozen import FrozenDecoder, FrozenEncoder
from crlso.models.gaussian_process import Features, GaussianProcess, Kernel, KnownRows, Posterior, normal_scores
from crlso.models.kept import kept_vae, shipped_latents, shipped_vaes
from crlso.models.latent_gp import LatentGP
from crlso.models.predictor import Predictor
from crlso.models.shaped import SideInformation, shaped_vae
from crlso.models.surrogate import ConvexityCertificate, ICNNSurrogate
from crlso.models.vae import AuxiliaryHeads, GraphVAE

__all__ = [
    "AuxiliaryHeads",
    "ConvexityCertificate",
    "Features",
    "FrozenDecoder",
    "FrozenEncoder",
    "GaussianProcess",
    "GaussianProcessClassifier",
    "GraphVAE",
    "ICNNSurrogate",
    "Kernel",
    "KnownRows",
    "LatentGP",
    "NotFittedError",
    "Posterior",
    "Predictor",
    "SideInformation",
    "kept_vae",
    "normal_scores",
    "shaped_vae",
    "shipped_latents",
    "shipped_vaes",
]


def __dir__() -> list[str]:
    return __all__
