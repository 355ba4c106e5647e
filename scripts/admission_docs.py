"""Regenerates the figures of docs/admission.md: tables between markers, pictures beside it.

Run it as `make admission-docs`, or with the names of blocks for only these. Everything comes from `sluice simulate`, so the same sources give
the same figures.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = ROOT / ".build/release/sluice"
PAGE = ROOT / "docs/admission.md"
PICTURES = ROOT / "docs/admission"
PICTURE_BYTES_MAX = 30_000

POLICIES = ["sluice", "round-robin", "least-scraped", "least-in-flight", "deadline-queue",
            "static-limit", "codel"]
# Name of the block and picture -> arguments.
COMPARISONS = {
    "load": ["--load", "0.5x,0.8x,1x,1.2x,1.5x,2x,3x,5x,10x"],
    "slow": ["--load", "0.5x,0.75x,1x,1.5x,2x,3x", "--slow", "1:2"],
    "no-metrics": ["--load", "0.5x,0.8x,1x,1.2x,1.5x,2x,3x", "--scrape", "off"],
    "bursts": ["--load", "0.5x,0.7x,0.9x,1.2x,1.5x,2x", "--bursts"],
}


def simulate(*arguments, statuses=(0,)):
    done = subprocess.run([SLUICE, "simulate", *arguments, "--json"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in statuses:
        sys.exit(f"sluice simulate {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def seconds(value):
    return "–" if value is None else f"{value:.2f}"


def comparison(name, arguments):
    """Goodput and p99 of every policy over the loads, and the picture of both."""
    picture = PICTURES / f"{name}.svg"
    policies = ",".join(POLICIES)
    answer = simulate(*arguments, "--policy", policies, "--svg", str(picture))
    size = picture.stat().st_size
    if size > PICTURE_BYTES_MAX:
        sys.exit(f"{picture} has {size} bytes, more than {PICTURE_BYTES_MAX}")
    loads = list(dict.fromkeys(row["load"] for row in answer["rows"]))
    of = {(row["policy"], row["load"]): row for row in answer["rows"]}

    def rows(cell):
        return [[f"**{policy}**" if policy == "sluice" else policy,
                 *(cell(of[policy, load]) for load in loads)] for policy in POLICIES]

    shown = " ".join(arguments + ["--policy", policies])
    return "\n\n".join([
        f"![Goodput and p99 time to first token](admission/{name}.svg)",
        "Work within the objectives, % of the whole fleet's capacity:",
        table(["policy", *loads], rows(lambda row: f"{row['goodput'] * 100:.0f}")),
        "p99 time to first token of those that got one, seconds:",
        table(["policy", *loads], rows(lambda row: seconds(row["all"]["ttft_seconds"].get("p99")))),
        f"`sluice simulate {shown}`; capacity "
        f"{answer['capacity_requests_per_second']:.1f} requests/s.",
    ])


def change():
    """What happens second by second when replicas turn slow and go."""
    arguments = ["--load", "0.9x", "--slow", "1:3@30s", "--lose", "1@75s",
                 "--policy", "sluice,round-robin,least-in-flight"]
    simulate(*arguments, "--svg", str(PICTURES / "change.svg"))
    return ("![A replica turns slow after 30 s, another is lost after 75 s](admission/change.svg)\n\n"
            f"`sluice simulate {' '.join(arguments)}`")


def targets():
    """Targets and figures of all scenarios. Missed targets are written down, not hidden."""
    report = simulate("--scenario", "all", statuses=(0, 1))
    units = {"percent": (100, 1, " %"), "seconds": (1, 2, " s"), "per_second": (1, 1, "/s"),
             "perSecond": (1, 1, "/s"), "ratio": (1, 3, ""), "count": (1, 0, "")}

    def written(row, key):
        scale, decimals, unit = units[row["unit"]]
        value = row.get(key)
        return "–" if value is None else f"{value * scale:.{decimals}f}{unit}"

    rows = []
    before = None
    for row in report["rows"]:
        if row["target"].startswith("conservation") and row["verdict"] == "ok":
            continue
        name = row["scenario"] if row["scenario"] != before else ""
        before = row["scenario"]
        rows.append([name, row["target"], row["bound"], written(row, "median"),
                     f"{written(row, 'least')} … {written(row, 'most')}",
                     row["verdict"] if row["verdict"] == "ok" else f"**{row['verdict'].lower()}**"])
    head = "| | target | must be | median | least … most | |\n| --- | --- | ---: | ---: | ---: | --- |\n"
    body = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    kept = sum(row["verdict"] == "ok" for row in report["rows"])
    short = {}
    for row in report["rows"]:
        if row["verdict"] == "short":
            short.setdefault((row["scenario"], row["reason"]), []).append(row)
    reasons = "".join(
        f"\n\n*Short*, {scenario}: {reason}. Instead: "
        + "; ".join(f"{row['target']} {row['floor']}" for row in rows) + "."
        for (scenario, reason), rows in short.items())
    return (f"`sluice simulate --scenario all`, seeds 1 … {report['seeds']}: {kept} of "
            f"{len(report['rows'])} met. In every run the accounts of gateway, fleet and engines "
            "agree to the last request unless a line says otherwise.\n\n" + head + body + reasons)


def replace(page, name, text):
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{PAGE} must have {begin} and {end} once each")
    head, rest = page.split(begin)
    return f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}"


BLOCKS = {
    **{name: lambda name=name, arguments=arguments: comparison(name, arguments)
       for name, arguments in COMPARISONS.items()},
    "change": change,
    "targets": targets,
}


def main():
    """Regenerates the blocks that are named on the command line, or all."""
    wanted = sys.argv[1:] or list(BLOCKS)
    unknown = [name for name in wanted if name not in BLOCKS]
    if unknown:
        sys.exit(f"there is no block {unknown[0]}, but {', '.join(BLOCKS)}")
    PICTURES.mkdir(exist_ok=True)
    for name in wanted:
        print(f"{name} …", flush=True)
        text = BLOCKS[name]()
        PAGE.write_text(replace(PAGE.read_text(), name, text))


if __name__ == "__main__":
    main()
