"""Which aggregation each metric of a PromQL expression meets first."""

import re

OPERATORS = {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values",
             "bottomk", "topk", "quantile"}
TOKEN = re.compile(r'"(?:[^"\\\\]|\\\\.)*"|[a-zA-Z_:][\w:]*|[(){}]|[^\s]')


def aggregations(expression):
    """(metric, operator or None, labels it keeps) of each metric named; `by` before or after."""
    tokens = TOKEN.findall(re.sub(r"#.*", "", expression))
    found, open_groups, index, in_braces = [], [], 0, False
    while index < len(tokens):
        token = tokens[index]
        if token in "{}":
            in_braces = token == "{"
        elif in_braces:
            pass
        elif token in OPERATORS:
            labels, index = grouping(tokens, index + 1)
            if tokens[index] != "(":
                raise ValueError(f"{token} without an operand: {expression}")
            if labels is None:
                labels, _ = grouping(tokens, closing(tokens, index) + 1)
            open_groups.append((token, labels or []))
        elif token in ("by", "without", "on", "ignoring", "group_left", "group_right"):
            if tokens[index + 1:index + 2] == ["("]:
                index = closing(tokens, index + 1)
        elif token == "(":
            open_groups.append(None)
        elif token == ")":
            open_groups.pop()
        elif re.match(r"(sluice|process|vllm)[_:]", token):
            operator, labels = next((group for group in reversed(open_groups) if group),
                                    (None, []))
            found.append((token, operator, labels))
        index += 1
    return found


def grouping(tokens, index):
    """Labels of a `by (…)` at `index`, None where there is none, and where it ends."""
    if tokens[index:index + 1] not in (["by"], ["without"]):
        return None, index
    end = closing(tokens, index + 1)
    kept = [token for token in tokens[index + 2:end] if token != ","]
    return (kept if tokens[index] == "by" else []), end + 1


def closing(tokens, index):
    """Where the parenthesis at `index` ends."""
    depth = 0
    for place in range(index, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place], 0)
        if depth == 0:
            return place
    raise ValueError("a parenthesis is open")


def misuse(expression, declared):
    """What is wrong with how `expression` joins the series of several gateways.

    `declared`: metric → one of `sum`, `max`, `max by (replica)`, `never`. A selector that nothing
    aggregates joins nothing.
    """
    for name, operator, labels in aggregations(expression):
        family = name if name in declared else re.sub(r"_(bucket|sum|count)$", "", name)
        how = declared.get(family)
        if how is None and not name.startswith("vllm"):
            yield f"{name} is not declared"
        elif operator is None or how is None:
            continue
        elif how == "never" and operator not in ("count", "group"):
            yield f"{operator} of {name}, which says something of one process"
        elif how == "sum" and operator not in ("sum", "count", "group"):
            yield f"{operator} of {name}, of which each gateway has its own share"
        elif how.startswith("max") and operator not in ("max", "count", "group"):
            yield f"{operator} of {name}, at which all gateways look"
        elif how == "max by (replica)" and operator == "max" and "replica" not in labels:
            yield f"max of {name} over replicas"
