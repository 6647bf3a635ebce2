"""The update of a plan: clipping, penalties, the optimizer's step, the limit on norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bpcompile.expr import Expr, Var, operations, substitute, variables
from bpcompile.functions import UpdateFunction
from bpcompile.operators import OPTIMIZERS, REGULARIZERS
from bpcompile.operators.entry import Body, Map
from bpcompile.operators.training import Regularizer
from bpcompile.plan import Block, Constant, Decay
from bpcompile.spec import NetworkSpec
from bpcompile.step import Call, Step, Tensor
from bpcompile.steps import ClipNorm, ClipValue, LimitNorm, UpdateParameter

#: A body of more operations than this becomes a function of its own.
MOST_INLINE = 4

w, nabla = Var("w"), Var("nabla")
m = Var("m", scalar=True)


class UpdateSteps:
    """One spec's update on its way to steps; a parameter comes with its gradient."""

    def __init__(self, spec: NetworkSpec) -> None:
        hyper = spec.hyperparameters
        self.hyper = hyper
        self.optimizer = OPTIMIZERS[hyper.optimizer.kind]
        self.penalties = {
            REGULARIZERS[kind]: value
            for kind, value in hyper.regularization.penalties.items()
        }
        self.max_norm = hyper.regularization.max_norm
        body = self.optimizer.body
        self.read = {v.name: v for s in body for v in variables(s.value)}
        self.inline = sum(operations(s.value) for s in body) <= MOST_INLINE

    # ---- Numbers ------------------------------------------------------------------

    def penalty_constants(self) -> tuple[Constant, ...]:
        """The numbers of `regularization` and `clipping`."""
        section = "/hyperparameters"
        limits = {
            "max_norm": (self.max_norm, f"{section}/regularization/max_norm"),
            "clip_value": (self.hyper.clipping.value, f"{section}/clipping/value"),
            "clip_norm": (self.hyper.clipping.norm, f"{section}/clipping/norm"),
        }
        return (
            *(
                Constant(
                    entry.constant, value, f"{section}/regularization/{entry.kind}"
                )
                for entry, value in self.penalties.items()
            ),
            *(
                Constant(name, value, path)
                for name, (value, path) in limits.items()
                if value
            ),
        )

    def optimizer_constants(self) -> tuple[Constant, ...]:
        numbers = self.hyper.optimizer.numbers
        return tuple(
            Constant(name, value, f"/hyperparameters/optimizer/{name}")
            for name, value in numbers.items()
        )

    def scalars(self) -> tuple[tuple[str, Expr], ...]:
        """What is computed once a step, in order."""
        limit = (("limit", Var("clip_value", scalar=True) * m),)
        return (
            *(limit if self.hyper.clipping.value else ()),
            *(self._decay_of(entry) or entry.shrink for entry in self.penalties),
            *self.optimizer.scalars,
        )

    def decays(self) -> tuple[Decay, ...]:
        """The factors on the weights, by the penalty they are of."""
        return tuple(
            Decay(entry.kind, decay[1])
            for entry in self.penalties
            if (decay := self._decay_of(entry))
        )

    def _decay_of(self, entry: Regularizer) -> tuple[str, Expr] | None:
        """The factor that the weights may be multiplied by beforehand, with its name."""
        return entry.decay if self.optimizer.folds_decay else None

    # ---- Steps --------------------------------------------------------------------

    def clipping(self, gradients: Sequence[Tensor]) -> tuple[Step, ...]:
        """What is done to all gradients together, before any parameter's update."""
        if not self.hyper.clipping.norm:
            return ()
        text = "clipping: the norm of all ∂C/∂w and ∂C/∂b together is limited"
        return (ClipNorm(0, text, tuple(gradients)),)

    def block(
        self, index: int, pairs: Sequence[tuple[Tensor, Tensor]], up: str
    ) -> Block:
        """The update of one layer's parameters, each with its gradient."""
        steps: list[Step] = []
        if self.hyper.clipping.value:
            steps += [ClipValue(index, "", g, parameter) for parameter, g in pairs]
        for parameter, gradient in pairs:
            weights = parameter.role == "weight"
            steps.append(self._update(parameter, gradient, weights))
            if weights and self.max_norm:
                text = f"max-norm: the norm of every row of w{up} is limited"
                steps.append(LimitNorm(index, text, parameter))
        return Block(index, f"layer {index}", tuple(steps))

    def _update(
        self, parameter: Tensor, gradient: Tensor, weights: bool
    ) -> UpdateParameter:
        penalties = tuple(self.penalties) if weights else ()
        before = [
            Map("nabla", nabla + entry.gradient)
            for entry in penalties
            if not self._decay_of(entry)
        ]
        if "g" in self.read:
            before.append(Map("nabla", nabla / m))
        decayed: Expr = w
        for entry in penalties:
            if decay := self._decay_of(entry):
                decayed = Var(decay[0], scalar=True) * decayed
        body = self.optimizer.body
        if self.inline:
            body = _with(body, decayed)
        elif decayed != w:
            before.append(Map("w", decayed))
        return UpdateParameter(
            parameter.layer,
            "",
            tuple(before),
            body if self.inline else (),
            None if self.inline else Call(self._name, (*self._arrays, *self._numbers)),
            parameter,
            gradient,
            self.state(parameter),
        )

    def state(self, parameter: Tensor) -> tuple[tuple[str, Tensor], ...]:
        """What the optimizer keeps of a parameter: v_w2 is the v of w2."""
        return tuple(
            (name, replace(parameter, name=f"{name}_{parameter.name}", role="state"))
            for name in self.optimizer.state
        )

    # ---- The optimizer as a function ------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self.optimizer.kind}_step"

    @property
    def _arrays(self) -> tuple[str, ...]:
        return "w", "g", *self.optimizer.state

    @property
    def _numbers(self) -> tuple[str, ...]:
        """Those that differ from step to step; the spec's own have names already."""
        own = {p.name for p in self.optimizer.parameters}
        return tuple(
            v.name for v in self.read.values() if v.scalar and v.name not in own
        )

    def function(self) -> UpdateFunction | None:
        """The optimizer's step where it is too long to stand at every parameter."""
        if self.inline:
            return None
        return UpdateFunction(
            self._name,
            self._arrays,
            self._numbers,
            self.optimizer.body,
            f"One step of {self.optimizer.symbol}",
            tuple(self.optimizer.formulas("w")),
            self.optimizer.note,
        )

    # ---- In words -----------------------------------------------------------------

    def formula(self) -> str:
        """The update of w and b, with what penalties and decay make of it."""
        if not self.inline:
            return self._formula_of_function()
        weights, biases = (", ".join(self.optimizer.formulas(p)) for p in "wb")
        if not self.penalties:
            return f"{weights}, and b alike"
        for entry in self.penalties:
            if self._decay_of(entry):
                weights = weights.replace("→ w", f"→ ({entry.decay_formula}) w")
        terms = self._added()
        if len(self.optimizer.body) > 1:
            return f"{weights}, with {terms} in ∂C/∂w; b alike without it"
        return f"{weights}{terms and f' with {terms} in ∂C/∂w'}, {biases}"

    def _formula_of_function(self) -> str:
        terms = f" + {added}" if (added := self._added()) else ""
        text = f"{self.optimizer.symbol} by g = 1/m Σ ∂C/∂w{terms}"
        for entry in self.penalties:
            if self._decay_of(entry):
                text += f" after w → ({entry.decay_formula}) w"
        without = "; b alike without the penalty"
        return text + (without if self.penalties else ", and b alike")

    def _added(self) -> str:
        return " + ".join(
            entry.gradient_formula
            for entry in self.penalties
            if not self._decay_of(entry)
        )


def _with(body: Body, decayed: Expr) -> Body:
    """The body with another expression in the place of w."""
    return tuple(replace(s, value=substitute(s.value, {"w": decayed})) for s in body)
