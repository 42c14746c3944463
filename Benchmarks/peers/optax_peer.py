"""Optax's side, on the processor: a step as one jitted function whose buffers are donated."""

import gc
import operator
import time

import jax
import jax.numpy as jnp
import numpy
import optax

import inputs
from side import offsets, serve


def arrays(which, shapes):
    """An array for each shape."""
    places, count = offsets(shapes)
    vector = numpy.empty(count, dtype=numpy.int32)
    for start, end in inputs.pieces(count):
        vector[start:end] = inputs.bits(which, numpy.arange(start, end, dtype=numpy.int64))
    vector = vector.view(numpy.float32)
    return [jnp.array(vector[start:end].reshape(s)) for s, (start, end) in zip(shapes, places)]


class Case:
    """One rule on one model."""

    engine = "jit, donated"

    def __init__(self, rule, hyperparameters, shapes, ahead):
        self._parameters = arrays(inputs.PARAMETERS, shapes)
        self._gradients = arrays(inputs.GRADIENTS, shapes)
        optimizer = operator.attrgetter(rule)(optax)(**hyperparameters)
        # Copied, since some states begin as the parameters themselves, and both are donated.
        self._state = jax.tree.map(jnp.array, optimizer.init(self._parameters))

        def step(parameters, state, gradients):
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        self._step = jax.jit(step, donate_argnums=(0, 1))
        self._take(ahead)

    def _take(self, steps):
        parameters, state, gradients = self._parameters, self._state, self._gradients
        for _ in range(steps):
            parameters, state = self._step(parameters, state, gradients)
        jax.block_until_ready((parameters, state))
        self._parameters, self._state = parameters, state

    def run(self, lead, steps):
        self._take(lead)
        begin = time.perf_counter()
        self._take(steps)
        return time.perf_counter() - begin, None

    def sample(self, stride):
        values, place, total = [], 0, 0.0
        for parameter in self._parameters:
            flat = numpy.asarray(parameter).reshape(-1)
            values += flat[-place % stride :: stride].tolist()
            place += flat.size
            total += numpy.abs(flat).sum(dtype=numpy.float64).item()
        return values, total


def about():
    return {module.__name__: module.__version__ for module in (optax, jax, numpy)}


if __name__ == "__main__":
    gc.disable()
    serve(Case, gc.collect, about=about)
