"""Break the decisions about deleting, one at a time, and see whether a test notices.

    python contrib/mutate.py                 all mutants of prune; takes some minutes
    python contrib/mutate.py --list          what would be tried
    python contrib/mutate.py --only "Removal"

Each mutant is the code with one change, in the memory of a process of its own: a comparison turned round or moved by
one, a condition dropped, an `and` made an `or`, a `not` taken away, a number one off, a function that does nothing, a
statement left out; and, of the order in which a removal is written down, what is named in `ORDER`. Its tests have to
fail. One that survives is a test that is missing, or a change that changes nothing: those are named in
`NO_DIFFERENCE`, with the reason.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PLAN, OPS = "archiver/plan/prune.py", "archiver/ops/prune.py"
QUICK = ["tests/unit/plan/test_prune.py"]
SLOW = [
    "tests/scenario/test_prune.py",
    "-k",
    "not maildir",
]  # which layout holds the messages is all one to prune
TESTS = {PLAN: [QUICK, SLOW], OPS: [SLOW]}
OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "-o", "timeout=60"]

ORDER = [
    (
        "the removal before the intent is committed",
        "        self._commit()\n        waiting = list(self._plans)",
        "        waiting = list(self._plans)",
    ),
    (
        "the outcome never written",
        "            self._note(one, removal.removed, removal.kept)\n",
        "            pass\n",
    ),
    (
        "the outcome not committed after each folder",
        "            self._note(one, removal.removed, removal.kept)\n        self._commit()",
        "            self._note(one, removal.removed, removal.kept)",
    ),
    (
        "the intents of folders that were never begun not taken back",
        "                self._note(one, [], [entry.ref.key for entry in one.removable])\n",
        "                pass\n",
    ),
    (
        "no second look",
        "        looked = self._work.source.look(plan.folder, plan.epoch, [*keys, *last])\n",
        "        looked = plan.evidence.looked\n",
    ),
    (
        "no reading back",
        "        if hashlib.sha256(found).hexdigest() == entry.digest:\n",
        "        if True:\n",
    ),
    (
        "no proof at all",
        "    proofs = _read_back(work, [entry for one in plans for entry in one.removable])\n",
        "    proofs = {e.digest: Proof() for one in plans for e in one.removable}\n",
    ),
    (
        "what cannot be read back is passed over",
        "    if broken:\n",
        "    if False:\n",
    ),
    (
        "the content not fetched again before the removal",
        "        if self._work.policy.refetch:",
        "        if False:",
    ),
    (
        "asked for after it was asked",
        "        self._asked.update(going)\n        for answer",
        "        for answer",
    ),
    (
        "removed and kept exchanged",
        "((removed, True), (kept, False))",
        "((removed, False), (kept, True))",
    ),
    (
        "one intent for the first folder alone",
        "        for one in self._plans:\n            self.intent",
        "        for one in self._plans[:1]:\n            self.intent",
    ),
]
"""Mutants of the carrying out that no rule makes: what, the text, and what stands in its place."""

NO_DIFFERENCE: dict[str, str] = {
    "_fetch: 'work.source.fetch(remotes) if remotes else ()' always": "of nothing, nothing is fetched",
    "Removal.__call__: 'if not self._plans:' never": "without a plan nothing is recorded, and nothing committed",
    "_look: '0' made 1": "of a folder in which nothing is chosen, no brake asks how much is there",
    "_look: '0' made -1": "of a folder in which nothing is chosen, no brake asks how much is there",
    "_read_back: '0' made -1": "any of the damaged messages serves to say what is wrong",
    "_read_back: '0' made 1": "as before; that there may be one alone is tested with layout maildir",
    "_FolderRemoval._look: 'set(self.removed) if taken else set()' always": (
        "it saves making a set that is asked nothing"
    ),
    "plan: 'True' the other": "two lists that are filled together have one length",
    "_why_unproven: 'evidence.proofs.get(entry.digest) if evidence.proofs else None' always": (
        "who asks has proofs; where they are none, none is found among them"
    ),
    "last_of.age: '0.0' made 1.0": "it stands for all that have no date, behind all that have one",
    "last_of.age: '0.0' made -1.0": "it stands for all that have no date, behind all that have one",
}

INVERTED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True)
class Mutant:
    """One change: its file, where it is, what it is, and the text of the whole file with it."""

    file: str
    line: int
    name: str
    source: str


Change = tuple[str, Callable[[ast.AST], None]]


def changes(node: ast.AST) -> Iterator[Change]:
    """Give the changes to one node: what they do, and how."""
    if isinstance(node, ast.Compare):
        yield from _of_compare(node)
    elif isinstance(node, ast.BoolOp):
        yield from _of_bool(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "the not taken away", lambda at: _replace(at, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.If | ast.IfExp):
        yield "never", lambda at: _replace(at, "test", ast.Constant(False))
        yield "always", lambda at: _replace(at, "test", ast.Constant(True))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield from _of_number(node)
    elif isinstance(node, ast.FunctionDef) and not isinstance(node.body[-1], ast.Pass):
        yield "does nothing", lambda at: _replace(at, "body", [ast.Return(ast.Constant(None))])


def _of_compare(node: ast.Compare) -> Iterator[Change]:
    for place, operator in enumerate(node.ops):
        for table in (INVERTED, MOVED):
            other = table.get(type(operator))
            if other is not None:

                def change(at: ast.AST, place: int = place, other: type[ast.cmpop] = other) -> None:
                    assert isinstance(at, ast.Compare)
                    at.ops[place] = other()

                yield f"{type(operator).__name__} made {other.__name__}", change


def _of_bool(node: ast.BoolOp) -> Iterator[Change]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"made {type(other).__name__.lower()}", lambda at: _replace(at, "op", other)
    for place, value in enumerate(node.values):

        def drop(at: ast.AST, place: int = place) -> None:
            assert isinstance(at, ast.BoolOp)
            del at.values[place]
            if len(at.values) == 1:
                at.values.append(at.values[0])

        yield f"without {ast.unparse(value)!r}", drop


def _of_number(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield "the other", lambda at: _replace(at, "value", not node.value)
        return
    assert isinstance(node.value, int | float)
    for step in (1, -1):
        value = node.value + step
        yield f"made {value}", lambda at, value=value: _replace(at, "value", value)  # type: ignore[misc]


def _replace(at: ast.AST, name: str, value: object) -> None:
    setattr(at, name, value)


def mutants_of(file: str) -> Iterator[Mutant]:
    """Give every mutant of a file that a rule makes."""
    tree = ast.parse((ROOT / file).read_text())
    functions = _functions(tree)
    decisions = {
        one for found in ast.walk(tree) if isinstance(found, ast.FunctionDef) for one in ast.walk(found)
    }
    seen: set[str] = set()
    for place, node in enumerate(ast.walk(tree)):
        if node not in decisions:
            continue
        for what, change in [*changes(node), *_dropped(node)]:
            made = copy.deepcopy(tree)
            change(list(ast.walk(made))[place])
            text = ast.unparse(node).splitlines()[0][:90]
            name = f"{functions.get(node, 'the module')}: {text!r} {what}"
            number = 2
            while name in seen:
                name = f"{name.partition(' #')[0]} #{number}"
                number += 1
            seen.add(name)
            yield Mutant(file, getattr(node, "lineno", 0), name, ast.unparse(ast.fix_missing_locations(made)))


def _dropped(node: ast.AST) -> Iterator[Change]:
    """Give the node without each of its statements that does something and says nothing."""
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if not isinstance(statements, list) or isinstance(node, ast.ClassDef | ast.Module):
            continue
        for place, one in enumerate(statements):
            speaks = isinstance(one, ast.Expr) and not isinstance(
                one.value, ast.Call | ast.Yield | ast.YieldFrom
            )
            if not isinstance(one, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue) or speaks:
                continue

            def drop(at: ast.AST, field: str = field, place: int = place) -> None:
                getattr(at, field)[place] = ast.Pass()

            yield f"without {ast.unparse(one).splitlines()[0][:90]!r}", drop


def _functions(tree: ast.AST) -> dict[ast.AST, str]:
    """Tell which function or class each node stands in."""
    found: dict[ast.AST, str] = {}

    def go(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
            found[child] = inner or "the module"
            go(child, inner)

    go(tree, "")
    return found


def ordered() -> Iterator[Mutant]:
    """Give the mutants named by hand."""
    text = (ROOT / OPS).read_text()
    for name, old, new in ORDER:
        if text.count(old) != 1:
            raise SystemExit(f'the mutant "{name}" fits the code no more: mend ORDER')
        line = text[: text.index(old)].count("\n") + 1
        yield Mutant(OPS, line, f"by hand: {name}", text.replace(old, new))


def put_in_place(mutant: Mutant) -> None:
    """Give the functions of the module that is imported the code of the mutant's, wherever they are known already."""
    name = mutant.file.removesuffix(".py").replace("/", ".")
    here = importlib.import_module(name)
    other = types.ModuleType(name)
    exec(compile(mutant.source, mutant.file, "exec"), other.__dict__)  # noqa: S102 -- our own code, broken on purpose
    _take_code(vars(here), vars(other), name)


def _take_code(here: Mapping[str, object], other: Mapping[str, object], module: str) -> None:
    for name in here:
        old, new = (
            value.fget if isinstance(value, property) else value for value in (here[name], other.get(name))
        )
        if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
            if old.__module__ == module:
                old.__code__, old.__defaults__ = new.__code__, new.__defaults__
                old.__kwdefaults__ = new.__kwdefaults__
        elif isinstance(old, type) and isinstance(new, type) and old.__module__ == module:
            _take_code(vars(old), vars(new), module)


def start(mutant: Mutant | None, tests: list[str]) -> int:
    """Run tests in a process of their own, on a mutant or on the code as it is; give the process's number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        if mutant is not None:
            put_in_place(mutant)
        code = int(pytest.main([*OPTIONS, *tests]))
    finally:
        os._exit(code)


def run(mutants: list[Mutant], jobs: int) -> list[Mutant]:
    """Try mutants, and give the survivors; each is told as soon as it is known."""
    os.chdir(ROOT)
    with Path(os.devnull).open("w") as silence, contextlib.redirect_stdout(silence):
        pytest.main([*OPTIONS, "--collect-only", *QUICK, *SLOW])  # so that all is imported, once
    for tests in (QUICK, SLOW):
        if os.waitpid(start(None, tests), 0)[1]:
            raise SystemExit("the tests fail without any mutant")
    waiting = [(one, tests) for one in mutants for tests in [TESTS[one.file]]][::-1]
    running: dict[int, tuple[Mutant, list[list[str]]]] = {}
    survivors: list[Mutant] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant, tests = waiting.pop()
            running[start(mutant, tests[0])] = mutant, tests[1:]
        child, status = os.wait()
        mutant, tests = running.pop(child)
        if not status and tests:
            waiting.append((mutant, tests))
            continue
        if not status:
            survivors.append(mutant)
        word = "killed" if status else "no difference" if mutant.name in NO_DIFFERENCE else "SURVIVED"
        print(f"{word:14} {mutant.file}:{mutant.line} {mutant.name}", flush=True)
    return survivors


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description="break the decisions about deleting, one at a time")
    parser.add_argument("--list", action="store_true", help="show the mutants, and run nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in file or name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    options = parser.parse_args()
    mutants = [*mutants_of(PLAN), *mutants_of(OPS), *ordered()]
    unknown = NO_DIFFERENCE.keys() - {one.name for one in mutants}
    if unknown:
        raise SystemExit(f"NO_DIFFERENCE names what is no mutant: {sorted(unknown)}")
    chosen = [one for one in mutants if options.only in f"{one.file} {one.name}"]
    if options.list:
        for one in chosen:
            print(f"{one.file}:{one.line} {one.name}")
        return
    survivors = run(chosen, options.jobs)
    unexplained = [one for one in survivors if one.name not in NO_DIFFERENCE]
    print(
        f"\n{len(chosen)} mutants, {len(chosen) - len(survivors)} killed, {len(survivors)} survived,", end=" "
    )
    print(f"of which {len(survivors) - len(unexplained)} make no difference")
    for one in survivors:
        print(f"{one.file}:{one.line} {one.name}\n    {NO_DIFFERENCE.get(one.name, 'NOT EXPLAINED')}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
