"""Makes the picture of README and of the documentation: regret by queries, all methods with the same seeds.

    python -m tools.picture                    writes docs/_static/trajectory.svg, in a minute or two
    python -m tools.picture --out picture.png --seeds 5 --budget 40

The searches are of NAS-Bench-201, whose table comes with crlso. Lines are means over seeds, bands their 95 % bootstrap
intervals. Needs matplotlib.
"""

from __future__ import annotations

import argparse

import crlso

METHODS = ("cr-lso", "gp", "local", "evolution", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="docs/_static/trajectory.svg", help="default: %(default)s")
    parser.add_argument("--dataset", default="ImageNet16-120", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=50, help="searches of each method; default: %(default)s")
    parser.add_argument("--budget", type=int, default=100, help="queries of each search; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes; default: %(default)s")
    arguments = parser.parse_args()
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "crlso"  # the same file from the same searches
    bench = crlso.benchmarks.NASBench201(arguments.dataset)
    result = crlso.compare(bench, METHODS, arguments.seeds, arguments.budget, jobs=arguments.jobs)
    axes = result.plot(regret=True)
    axes.set_title(f"NAS-Bench-201, {arguments.dataset}: {arguments.seeds} searches of each method", fontsize=10)
    axes.figure.set_size_inches(7, 4)
    axes.figure.savefig(
        arguments.out, bbox_inches="tight", metadata={"Date": None} if arguments.out.endswith("svg") else None
    )
    print(result)


if __name__ == "__main__":
    main()
