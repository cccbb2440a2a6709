"""Models of cells, as scikit-learn style estimators."""

from crlso.models.base import NotFittedError
from crlso.models.predictor import Predictor
from crlso.models.surrogate import ConvexityCertificate, ICNNSurrogate
from crlso.models.vae import FrozenDecoder, GraphVAE

__all__ = ["ConvexityCertificate", "FrozenDecoder", "GraphVAE", "ICNNSurrogate", "NotFittedError", "Predictor"]
