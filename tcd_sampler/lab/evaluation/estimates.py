"""Estimates of the measured points: their quality, detail and diversity."""

from functools import cache, cached_property

from .bootstrap import Estimate, draw_weights, estimate_mean
from .frechet import Moments, get_frechet_distance, get_moments
from .results import FEATURES, REFERENCE, Results

DISTANCE = "distance"
"""The Fréchet distance to the reference images, in the classifier's features."""


class Estimates:
    """The quantities of results.py as means over captions, and the Fréchet distance."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.get = cache(self.estimate)

    @cached_property
    def reference(self) -> Moments:
        return self.get_moments(REFERENCE, 0)

    def get_moments(self, method: str, unet_calls: int) -> Moments:
        """Returns the moments of a point's features, for all captions and for each resample of them."""
        features = self.results.get(method, unet_calls, FEATURES)
        weights = draw_weights(self.results.captions)
        return get_moments(features, weights.repeat(1, len(features) // self.results.captions))

    def has(self, method: str, unet_calls: int, quantity: str) -> bool:
        return self.results.has(method, unet_calls, FEATURES if quantity == DISTANCE else quantity)

    def estimate(self, method: str, unet_calls: int, quantity: str) -> Estimate:
        """Estimates a quantity. Raises KeyError if the results lack it."""
        if quantity == DISTANCE:
            return Estimate(get_frechet_distance(self.reference, self.get_moments(method, unet_calls)))
        return estimate_mean(self.results.get(method, unet_calls, quantity))
