"""How long prompts and answers are."""

import math
import random
import statistics


class Lengths:
    """Lognormal lengths, heavy-tailed as those of real requests are.

    The same hundred again and again, in an order of their own each time: what is compared with what
    came before it was asked the same.
    """

    COUNT = 100

    def __init__(self, median, sigma, seed):
        law = statistics.NormalDist(math.log(median), sigma)
        self._values = [max(1, round(math.exp(law.inv_cdf((place + 0.5) / self.COUNT))))
                        for place in range(self.COUNT)]
        self._dice, self._left = random.Random(seed), []

    def draw(self):
        if not self._left:
            self._left = self._dice.sample(self._values, self.COUNT)
        return self._left.pop()
