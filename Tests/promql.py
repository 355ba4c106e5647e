"""The metrics that there are, and which aggregation each one of a PromQL expression meets first."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Engines with the NIXL connector, and such that draft; the captured one does neither. Source: vLLM's documentation.
OPTIONAL = {"vllm:nixl_num_failed_transfers_total", "vllm:spec_decode_num_accepted_tokens_total",
            "vllm:spec_decode_num_draft_tokens_total",
            *(f"vllm:nixl_xfer_time_seconds_{part}" for part in ("bucket", "sum", "count"))}

OPERATORS = {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values",
             "bottomk", "topk", "quantile"}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[a-zA-Z_:][\w:]*|[(){}]|[^\s]')


def catalog():
    """Metrics of the gateway: name → (type, labels, aggregation), from docs/metrics.md, which a test
    of its own holds against the sources."""
    found = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.fullmatch(r"`((?:sluice|process)_\w+)`", cells[0])
        if name and len(cells) == 5:
            found[name[1]] = (cells[1], re.findall(r"`(\w+)`", cells[2]), cells[3])
    return found


CATALOG = catalog()


def engine_metrics(labels=""):
    """Series of the pages captured from vLLM 0.23 whose labels match."""
    found = set(OPTIONAL)
    for path in (ROOT / "Tests/SluiceVLLMTests/Fixtures").glob("metrics-*.txt"):
        found |= set(re.findall(rf"^(vllm:\w+){labels}", path.read_text(), re.M))
    return found


ENGINE = engine_metrics()
OF_A_MODEL = engine_metrics(r"\{[^}]*model_name=")


# What the recording rules that are shipped make.
RECORDED = set(re.findall(r"- record: (\S+)", (ROOT / "deploy/prometheus/sluice.rules.yaml").read_text()))


def names_in(expression):
    """Names of metrics: what stands before a selector, range, parenthesis or operator."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', expression)
    return set(re.findall(r"\b(?:sluice[:_]|vllm:|process_)[\w:]+|\bup\b", bare))


def unknown(expression):
    """Names in a query that nobody exposes and no recording rule makes."""
    missing = set()
    for name in names_in(expression):
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        if name in CATALOG or name in ENGINE or name in RECORDED or name == "up":
            continue
        if plain != name and CATALOG.get(plain, ("",))[0] == "histogram":
            continue
        missing.add(name)
    return missing


def aggregations(expression):
    """(metric, operator or None, labels) of each metric named; `by` before the operand or after it.

    labels: those of a `by` before the operand; None where there is none.
    """
    tokens = TOKEN.findall(re.sub(r"#.*", "", expression))
    found, open_groups, index, in_braces = [], [], 0, False
    while index < len(tokens):
        token = tokens[index]
        if token in "{}":
            in_braces = token == "{"
        elif in_braces:
            pass
        elif token in OPERATORS:
            labels = None
            if tokens[index + 1] in ("by", "without"):
                end = closing(tokens, index + 2)
                if tokens[index + 1] == "by":
                    labels = {label for label in tokens[index + 3:end] if label != ","}
                index = end
            index += 1
            if tokens[index] != "(":
                raise ValueError(f"{token} without an operand: {expression}")
            open_groups.append((token, labels))
        elif token in ("by", "without", "on", "ignoring", "group_left", "group_right"):
            if tokens[index + 1:index + 2] == ["("]:
                index = closing(tokens, index + 1)
        elif token == "(":
            open_groups.append(None)
        elif token == ")":
            open_groups.pop()
        elif re.match(r"(sluice|process)_", token):  # sluice:… is a recording rule
            innermost = next((group for group in reversed(open_groups) if group), (None, None))
            found.append((token, *innermost))
        index += 1
    return found


def closing(tokens, index):
    """Where the parenthesis at `index` ends."""
    depth = 0
    for place in range(index, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place], 0)
        if depth == 0:
            return place
    raise ValueError("a parenthesis is open")


def family(name, declared):
    """The metric that a series of a histogram belongs to."""
    return name if name in declared else re.sub(r"_(bucket|sum|count)$", "", name)


def misuse(expression, declared=None):
    """What is wrong with how `expression` joins the series of several gateways.

    `declared`: metric → one of `sum`, `max`, `max by (replica)`, `never`. A selector that nothing
    aggregates joins nothing, nor does one that keeps apart by instance.
    """
    if declared is None:
        declared = {name: row[2] for name, row in CATALOG.items()}
    for name, operator, labels in aggregations(expression):
        how = declared.get(family(name, declared))
        if how is None:
            yield f"{name} is not declared"
        elif operator is None or labels is not None and "instance" in labels:
            continue
        elif how == "never" and operator not in ("count", "group"):
            yield f"{operator} of {name}, which says something of one process"
        elif how == "sum" and operator not in ("sum", "count", "group"):
            yield f"{operator} of {name}, of which each gateway has its own share"
        elif how.startswith("max") and operator not in ("max", "count", "group"):
            yield f"{operator} of {name}, at which all gateways look"
