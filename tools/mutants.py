"""Which faults are planted in a source file: one small change each, such as `<` to `<=`, or a statement left out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

_OPERATORS: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}  # fmt: skip
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TELLING = (ast.expr, ast.keyword, ast.Slice, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_UNTOUCHED = {"annotation", "returns", "decorator_list", "format_spec"}


class Mutant(NamedTuple):
    """A change to a file: what `slot` of `parent` holds becomes `new`; `lines` are those of its statement."""

    file: str
    number: int
    where: str
    what: str
    lines: range
    parent: ast.AST
    slot: tuple[str, int | None]
    new: ast.AST
    in_function: bool
    tree: ast.Module

    @property
    def key(self) -> str:
        """What identifies it whatever happens to other lines."""
        return f"{self.file} {self.where}: {self.what}"

    def __str__(self) -> str:
        return f"{self.file}:{self.lines.start} #{self.number} {self.where}: {self.what}"

    def original(self, path: str) -> CodeType:
        """Returns the module's code."""
        return compile(self.tree, path, "exec", dont_inherit=True)

    def code(self, path: str) -> CodeType:
        """Returns the module's code with the change."""
        old = _put(self.parent, self.slot, self.new)
        try:
            return compile(ast.fix_missing_locations(self.tree), path, "exec", dont_inherit=True)
        finally:
            _put(self.parent, self.slot, old)


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Returns the mutants of a file whose code differs from the file's."""
    tree = ast.parse((root / file).read_text("utf-8"))
    original = compile(tree, file, "exec", dont_inherit=True)
    differing = [change for change in _changes(file, tree) if change.code(file) != original]
    return [change._replace(number=number) for number, change in enumerate(differing)]


def replaced(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yields the classes and functions in a module that differ, outermost first, each with what it becomes."""
    pairs = zip(*([one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new)), strict=False)
    for before, after in pairs:
        if before != after and before.co_qualname == after.co_qualname:
            yield before, after
            yield from replaced(before, after)


def _changes(file: str, tree: ast.Module) -> Iterator[Mutant]:
    def visit(node: ast.AST, names: tuple[str, ...], lines: range, inside: bool) -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            if field in _UNTOUCHED:
                continue
            within = inside or (isinstance(node, (ast.FunctionDef, ast.Lambda)) and field == "body")
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST):
                    continue
                at = _lines(child) if isinstance(child, ast.stmt) else lines
                for new in _variants(child, within):
                    what = f"{_shown(node, child, child)} -> {_shown(node, child, new)}"
                    where = ".".join(names) or "module"
                    yield Mutant(file, 0, where, what, at, node, (field, index), new, within, tree)
                named = (*names, child.name) if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else names
                yield from visit(child, named, at, within)

    return visit(tree, (), range(0), False)


def _variants(node: ast.AST, inside: bool) -> Iterator[ast.AST]:
    """Yields what may stand in a node's place."""
    match node:
        case ast.Compare():
            for nth, operator in enumerate(node.ops):
                ops = [*node.ops[:nth], _OPERATORS[type(operator)](), *node.ops[nth + 1 :]]
                yield ast.Compare(node.left, ops, node.comparators)
        case ast.BoolOp():
            for nth in range(len(node.values)):
                rest = node.values[:nth] + node.values[nth + 1 :]
                yield ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp() if inside:
            yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
        case ast.AugAssign():
            yield ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value)
            yield ast.Pass()
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield ast.Constant(number + 1)
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield changed
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            yield ast.Call(ast.Name(_FUNCTIONS[name], ast.Load()), node.args, node.keywords)
        case ast.Return(value=ast.expr()) if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) if inside:
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) if inside:
            yield ast.Pass()
        case ast.Raise() | ast.Delete() | ast.Break() | ast.Continue():
            yield ast.Pass()


def _lines(statement: ast.stmt) -> range:
    """The lines of a statement, without those of the statements in it."""
    body, first = getattr(statement, "body", None), statement.lineno
    return range(first, max(body[0].lineno if body else (statement.end_lineno or first) + 1, first + 1))


def _shown(parent: ast.AST, child: ast.AST, new: ast.AST) -> str:
    """A node as text; what says too little by itself is shown in its parent."""
    if isinstance(child, (ast.Constant, ast.UnaryOp)) and isinstance(parent, _TELLING):
        whole = copy.copy(parent)
        for field, value in ast.iter_fields(parent):
            if value is child:
                setattr(whole, field, new)
            elif isinstance(value, list):
                setattr(whole, field, [new if one is child else one for one in value])
        return _text(whole)
    return _text(new)


def _text(node: ast.AST) -> str:
    if isinstance(node, (ast.If, ast.While)):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())


def _put(parent: ast.AST, slot: tuple[str, int | None], new: ast.AST) -> ast.AST:
    """Fill a slot; returns what was in it."""
    field, index = slot
    old: ast.AST
    if index is None:
        old = getattr(parent, field)
        setattr(parent, field, new)
        return old
    members = getattr(parent, field)
    old, members[index] = members[index], new
    return old
