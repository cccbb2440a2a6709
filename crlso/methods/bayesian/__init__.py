"""Bayesian search, composed of an encoder, a surrogate, an acquisition function and sources of candidates.

:class:`GPSearch` and :class:`CRLSO` are two compositions. Write your own part as any object with the methods of its
protocol: :class:`Encoder`, :class:`Surrogate`, :class:`Acquisition` or :class:`Source`.
"""

from crlso.methods.bayesian.acquisition import UpperConfidenceBound
from crlso.methods.bayesian.average import AveragedPosterior, Member, ProcessAverage
from crlso.methods.bayesian.constraints import LearnedConstraint
from crlso.methods.bayesian.cr_lso import CRLSO
from crlso.methods.bayesian.encoders import (
    DescriptorEncoder,
    GivenEncoder,
    GraphEncoder,
    JoinedEncoder,
    LatentEncoder,
    class_latents,
)
from crlso.methods.bayesian.feasibility import Feasibility
from crlso.methods.bayesian.gains import FrontGain, Gain, ValueGain, VolumeGain
from crlso.methods.bayesian.gp import GPSearch
from crlso.methods.bayesian.parts import (
    Acquisition,
    Candidates,
    Encoder,
    Posterior,
    Reservoir,
    Round,
    Source,
    Surrogate,
)
from crlso.methods.bayesian.priors import Prior, PriorEncoder, read_priors
from crlso.methods.bayesian.process import ProcessSurrogate
from crlso.methods.bayesian.search import BayesianSearch
from crlso.methods.bayesian.sources import (
    AcquisitionClimb,
    BestOfReservoir,
    LatentMoves,
    LatentSteps,
    Mutations,
    Neighbours,
    RandomCells,
    latent_descent,
    latent_steps,
)

__all__ = [
    "CRLSO",
    "Acquisition",
    "AcquisitionClimb",
    "AveragedPosterior",
    "BayesianSearch",
    "BestOfReservoir",
    "Candidates",
    "DescriptorEncoder",
    "Encoder",
    "Feasibility",
    "FrontGain",
    "GPSearch",
    "Gain",
    "GivenEncoder",
    "GraphEncoder",
    "JoinedEncoder",
    "LatentEncoder",
    "LatentMoves",
    "LatentSteps",
    "LearnedConstraint",
    "Member",
    "Mutations",
    "Neighbours",
    "Posterior",
    "Prior",
    "PriorEncoder",
    "ProcessAverage",
    "ProcessSurrogate",
    "RandomCells",
    "Reservoir",
    "Round",
    "Source",
    "Surrogate",
    "UpperConfidenceBound",
    "ValueGain",
    "VolumeGain",
    "class_latents",
    "latent_descent",
    "latent_steps",
    "read_priors",
]


def __dir__() -> list[str]:
    return __all__
