"""games.json: shapiq's exact Shapley values and Faith-Shapley interactions (orders 1 and 2) of random games.

pip install shapiq==1.4.1; python make.py
"""
import json
from pathlib import Path

import numpy as np
import shapiq

games = []
for n, seed in [(2, 0), (3, 1), (5, 2), (8, 3), (10, 4)]:
    values = np.random.default_rng(seed).normal(size=2**n).round(6)  # v(none) is not 0

    def play(coalitions):
        return np.array([values[sum(1 << i for i in range(n) if row[i])] for row in np.atleast_2d(coalitions)])

    computer = shapiq.ExactComputer(n_players=n, game=play)
    shapley, second = computer("SV", order=1), computer("FSII", order=2)
    games.append({
        "players": n,
        "values": values.tolist(),  # by coalition; bit i of its number says whether player i is in it
        "shapley": [float(shapley[(i,)]) for i in range(n)],
        "order_1": [float(computer("FSII", order=1)[(i,)]) for i in range(n)],
        "singles": [float(second[(i,)]) for i in range(n)],
        "pairs": [[a, b, float(second[(a, b)])] for a in range(n) for b in range(a + 1, n)],
    })
Path(__file__).with_name("games.json").write_text(json.dumps({"shapiq": shapiq.__version__, "games": games}) + "\n")
