"""Which aggregation each metric of a PromQL expression meets first."""

import re

OPERATORS = {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values",
             "bottomk", "topk", "quantile"}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[a-zA-Z_:][\w:]*|[(){}]|[^\s]')


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


def misuse(expression, declared):
    """What is wrong with how `expression` joins the series of several gateways.

    `declared`: metric → one of `sum`, `max`, `max by (replica)`, `never`. A selector that nothing
    aggregates joins nothing, nor does one that keeps apart by instance.
    """
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
