"""What the entries of training consist of: first weights, steps, what is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bpcompile.expr import Const, Expr, Number
from bpcompile.operators.entry import Body, Entry
from bpcompile.records import dataclass

NORMAL_DRAWS, UNIFORM_DRAWS = "normal", "uniform"


@dataclass(frozen=True)
class Initializer(Entry):
    """The first values of a layer's weights, or of its biases.

    value       over "draw", one number of the stream, "n_in" and "n_out", the layer's
                inputs and neurons, for its biases too
    draws       what "draw" is: `NORMAL_DRAWS`, N(0, 1), or `UNIFORM_DRAWS`, from
                [0, 1); "" if nothing is drawn
    orthogonal  the columns of all the draws, or their rows where those are fewer, are
                made orthonormal first: Gram-Schmidt in order, so that each keeps its
                sign. Without a QR at hand, subtract from each column its projections
                on those before it, one after the other, do so twice, and normalise
    define      one value in plain Python from such a number, the sizes and the
                parameters by name
    source      the paper
    """

    formula: str
    define: Callable[..., float]
    value: Expr
    draws: str = NORMAL_DRAWS
    orthogonal: bool = False
    source: str = ""


@dataclass(frozen=True)
class Optimizer(Entry):
    """One step: `body` from "w" and its gradient to the new "w".

    The gradient is "nabla", summed over the m examples of the mini-batch, or "g", their
    mean; a body reads one of the two. `eta`, `m` and `n` are scalars, as the parameters
    are; `scalars` are computed once a step, in order. A body of few operations stands
    in the update of every parameter, a longer one in a function of its own.

    formula        one for each statement of the body, "; " between them, with {p} for
                   the parameter, w or b
    note           what the statements need said beside them, perhaps nothing
    define         one entry's step in plain Python: (w, g, state, eta, t, **parameters)
                   to the new w and state, with g the gradient of the mean cost, state
                   a dict of floats and t the number of the step, from 1
    state          what is kept from step to step for each parameter, 0 at first;
                   the body reads and assigns it by these names
    scalar_state   numbers kept from step to step, with their first values; `scalars`
                   assigns them by these names
    folds_decay    w may be multiplied by a regularizer's `decay` beforehand: true of
                   plain gradient descent and of decoupled decay, else the penalty goes
                   into the gradient
    """

    symbol: str
    formula: str
    source: str
    scalars: tuple[tuple[str, Expr], ...]
    body: Body
    define: Callable[..., tuple[float, dict[str, float]]]
    state: tuple[str, ...] = ()
    scalar_state: tuple[tuple[str, float], ...] = ()
    folds_decay: bool = False
    note: str = ""

    def formulas(self, parameter: str) -> list[str]:
        """The formula of every statement, for w or for b."""
        return self.formula.format(p=parameter).split("; ")


@dataclass(frozen=True)
class Regularizer(Entry):
    """A term of the cost over the weights, key of `regularization` in the spec.

    constant   what its number is called in the code
    define     the penalty of one weight in plain Python: (w, lmbda, n)
    penalty    per weight "w", with that constant and "n"
    gradient   of the penalty times m, as "nabla" is a sum over m examples; over "w"
               and the scalar `shrink`
    shrink     that scalar: its name and value
    decay      the factor on w that plain gradient descent makes of it, with its name;
               None where it is no factor
    """

    symbol: str
    constant: str
    define: Callable[[Number, float, int], Number]
    penalty: Expr
    penalty_formula: str
    gradient: Expr
    gradient_formula: str
    shrink: tuple[str, Expr]
    decay: tuple[str, Expr] | None = None
    decay_formula: str = ""


@dataclass(frozen=True)
class Schedule(Entry):
    """How eta changes from one epoch, or one step, to the next.

    Every one takes "unit" and "warmup" besides: over the first so many epochs or steps
    eta rises in equal parts, eta (t + 1) / (warmup + 1).

    value      eta over "eta", the spec's own, the parameters, "pi", "t", the number of
               the epoch or step from 0 to total - 1, and "total", both less the warm-up;
               None where eta follows from what happens in training
    scalars    numbers that `value` reads beside these, computed in order
    define     the same in plain Python: (eta, t, total, **parameters)
    halves     eta is halved where validation finds no improvement
    """

    formula: str
    value: Expr | None
    define: Callable[..., float] | None = None
    scalars: tuple[tuple[str, Expr], ...] = ()
    halves: bool = False


@dataclass(frozen=True)
class Scaling(Entry):
    """Inputs as (x - shift) / divisor, over "mean", "std", "min", "max" of a column.

    define         (shift, divisor) of a column of numbers in plain Python, a constant
                   one divided by 1
    fit_formulas   how its formula's words come of the n numbers of a column
    """

    shift: Expr
    divisor: Expr
    fitted: bool
    formula: str
    define: Callable[..., tuple[float, float]]
    fit_formulas: tuple[str, ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether inputs stay what they are, so that nothing need be computed."""
        return self.shift == Const(0) and self.divisor == Const(1)


@dataclass(frozen=True)
class Parallel(Entry):
    """How the examples of a step are shared among processes.

    formula   what becomes of the gradients of each process's share before the update;
              "" where there is one process and nothing to be done
    """

    symbol: str
    formula: str = ""

    @property
    def shares(self) -> bool:
        """Whether there may be more processes than one."""
        return bool(self.formula)


STATISTICS = ("mean", "std", "min", "max")

Column = Sequence[float]
State = Mapping[str, float]
Stepped = tuple[float, dict[str, float]]
