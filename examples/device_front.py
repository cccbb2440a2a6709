"""Search for the front of accuracy and latency on a device: the cells that no other beats in both.

    pip install crlso
    python examples/device_front.py

Accuracies are those of NAS-Bench-201, latencies those of a Pixel 3. No cell has more than a million parameters.
"""

import crlso

bench = crlso.benchmarks.NASBench201("cifar10")
study = crlso.search(bench, budget=60, objectives=["value", "-latency:pixel3"], constraints={"parameters": 1.0})
for trial in study.front:  # from the most accurate to the fastest
    latency = trial.measurement.objectives["latency:pixel3"]
    print(f"{trial.value:6.2f} % {trial.test:6.2f} % test {latency:6.2f} ms  {trial.cell}")
