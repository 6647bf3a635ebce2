"""Faults to plant in generated C; see `faults.py`."""

from __future__ import annotations

from c_modules import TARGET
from faults import Change, Fault


def fault(name: str, change: Change, spec: str = "quadratic") -> Fault:
    return Fault(name, {TARGET: change}, spec)


_FUSED = "net->delta4[i] = net->a4[i] - net->y[i];"
_BELOW = "error_below(m, N3, N4, net->w4, net->delta4, net->delta3);"
_MOVE = "descend_weights(m, N3, N4, 1, {}, net->delta4, net->a3, net->w4);"
_RATE = "(real)(ETA / (double)m)"

ERRORS = (
    fault(
        "BP1: y - a for a - y",
        ("(net->a4[i] - net->y[i]) *", "(net->y[i] - net->a4[i]) *"),
    ),
    fault(
        "BP1: without the derivative",
        ("y[i]) * net->a4[i] * (1 - net->a4[i])", "y[i])"),
    ),
    fault(
        "BP1: derivative at the layer below", ("(1 - net->a4[i])", "(1 - net->a3[i])")
    ),
    fault(
        "BP1: fused error twice as large",
        (_FUSED, _FUSED.replace("= ", "= 2 * (").replace(";", ");")),
        "cross_entropy",
    ),
    fault(
        "BP1: off by one part in a million",
        (_FUSED, _FUSED.replace("= ", "= (real)1.000001 * (").replace(";", ");")),
        "log_likelihood",
    ),
    fault("BP1: sample weights forgotten", ("if (net->weighs)", "if (false)")),
    fault(
        "BP2: missing transpose",
        ("wt = {w, 1, LDW(inputs, neurons)}", "wt = {w, LDW(inputs, neurons), 1}"),
    ),
    fault("BP2: weights of the wrong layer", (_BELOW, _BELOW.replace("w4", "w3"))),
    fault(
        "BP2: error of the wrong layer",
        ("net->w3, net->delta3, net->delta2", "net->w3, net->delta4, net->delta2"),
    ),
    fault(
        "BP2: weights already moved in this step",
        (_BELOW, f"{_MOVE.format(_RATE)} {_BELOW} {_MOVE.format('-' + _RATE)}"),
    ),
    fault(
        "BP2: 1 + a for 1 - a",
        ("net->a3[i] * (1 - net->a3[i])", "net->a3[i] * (1 + net->a3[i])"),
    ),
    fault(
        "BP2: without the derivative",
        ("net->delta2[i] * (1 - net->a2[i] * net->a2[i])", "net->delta2[i]"),
    ),
    fault(
        "BP2: kink on the wrong side",
        ("(net->a3[i] > 0)", "(net->a3[i] <= 0)"),
        "log_likelihood",
    ),
    fault(
        "BP2: padding added",
        (
            "product(BATCH_TILE, m, inputs, neurons, d, wt, to)",
            "product(BATCH_TILE, m, inputs, PAD(neurons), d, wt, to)",
        ),
    ),
)

PRODUCTS = (
    fault(
        "descent goes up",
        ("{w, down, w, down, keep, -rate}", "{w, down, w, down, keep, rate}"),
    ),
    fault("biases go up", ("load(b + j) - rate * sum", "load(b + j) + rate * sum")),
    fault(
        "BP3: first example left out",
        (
            "size_t i = 0; i < m; i++)\n            sum += load(delta",
            "size_t i = 1; i < m; i++)\n            sum += load(delta",
        ),
    ),
    fault(
        "BP4: transposed",
        (
            "at = {below, 1, PAD(inputs)}, d = {delta,",
            "at = {delta, 1, PAD(inputs)}, d = {below,",
        ),
    ),
    fault(
        "bias left out",
        ("to = {z, PAD(neurons), b, 0, 1, 1}", "to = {z, PAD(neurons), NULL, 0, 1, 1}"),
    ),
    fault(
        "transposed weights",
        ("wt = {w, LDW(inputs, neurons), 1}", "wt = {w, 1, LDW(inputs, neurons)}"),
    ),
    fault(
        "last row of a product left out",
        ("for (; i < rows; i++)", "for (; i + 1 < rows; i++)"),
    ),
    fault(
        "last term of a product left out",
        (
            "t < terms; t++) {\n        vec right",
            "t + 1 < terms; t++) {\n        vec right",
        ),
    ),
)

UPDATES = (
    fault(
        "BP3: error of the wrong layer",
        ("(real)rate, net->delta2, net->b2)", "(real)rate, net->delta3, net->b2)"),
    ),
    fault(
        "BP4: activation of the layer itself",
        ("net->delta3, net->a2, net->w3)", "net->delta3, net->a3, net->w3)"),
    ),
    fault(
        "BP4: error of the layer above",
        ("net->delta3, net->a2, net->w3)", "net->delta4, net->a2, net->w3)"),
    ),
    fault(
        "BP4: of the gradient alone, the wrong layer",
        ("net->a2, nabla->nabla_w3)", "net->a1, nabla->nabla_w3)"),
    ),
    fault("weights of one layer do not decay", ("N2, N3, (real)decay,", "N2, N3, 1,")),
    fault(
        "decay by the mini-batch, not the data",
        ("LMBDA / (double)n", "LMBDA / (double)m"),
    ),
    fault(
        "rate by the data, not the mini-batch", ("ETA / (double)m", "ETA / (double)n")
    ),
    fault(
        "update before the errors",
        (
            "backprop(net, m);\n    update(net, m, n);",
            "output(net, m);\n    update(net, m, n);\n    errors(net, m);",
        ),
    ),
    fault(
        "gradient not divided by the examples", ("/= (real)examples->n", "/= (real)1")
    ),
    fault("gradient of earlier calls kept", ("memset(nabla, 0, sizeof *nabla);", "")),
)

TRAINING = (
    fault(
        "order of the data, not of the epoch", ("examples.rows = course->order;", "")
    ),
    fault(
        "every epoch in the order of the first",
        (
            "order_of_epoch(examples.n, net->seed, net->epoch,",
            "order_of_epoch(examples.n, net->seed, 0,",
        ),
    ),
    fault(
        "short mini-batch left out",
        (
            "first < examples.n; first += MINI_BATCH_SIZE",
            "first + MINI_BATCH_SIZE <= examples.n; first += MINI_BATCH_SIZE",
        ),
    ),
    fault(
        "scaling fitted anew", ("if (!net->fitted && fit_scaling(", "if (fit_scaling(")
    ),
    fault("scaling not fitted", ("net->fitted = k == N1;", "no_scaling(net);")),
    fault(
        "penalty of one layer left out",
        ("found.total_cost += penalty(N2, N3, net->w3, n);", ""),
    ),
    fault("cost of the sum, not the mean", ("? found.cost / n :", "? found.cost :")),
    fault("σ of minus z", ("exp_real(-z)", "exp_real(z)")),
    fault("softmax not divided by its sum", ("/ total", "/ 1"), "softmax"),
)

FAULTS = ERRORS + PRODUCTS + UPDATES + TRAINING
