"""What a function refers to, and through that everything it could ever do.

Names are resolved by annotations. References count as calls, and where a receiver's type is not known every method of a
dangerous name counts as meant: the graph says too much rather than too little.
"""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.house.tree import FunctionNode, Module

Key = str  # `services.issuer.issue:Issue.one`
Danger = Callable[[Module, ast.AST], bool]


@dataclass
class ClassFacts:
    """A class: its methods, the classes of its attributes, its bases, and what its constructor hands on."""

    methods: set[str] = field(default_factory=set)
    attributes: dict[str, str] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)
    is_protocol: bool = False


class References:
    """The graph over these modules. `is_dangerous` says which nodes make a function one that must not be reached."""

    def __init__(self, modules: Iterable[Module], is_dangerous: Danger) -> None:
        self.modules = {module.name: module for module in modules}
        self.functions: dict[Key, tuple[Module, FunctionNode, str]] = {}
        self.classes: dict[str, ClassFacts] = {}
        self.names: dict[str, dict[str, str]] = {}
        self._collect()
        self.dangers = {
            key
            for key, (module, node, _) in self.functions.items()
            if any(is_dangerous(module, n) for n in ast.walk(node))
        }
        self._dangerous_methods: dict[str, set[Key]] = defaultdict(set)
        for key in (key for key in self.dangers if self.functions[key][2]):
            self._dangerous_methods[key.rpartition(":")[2].rpartition(".")[2]].add(key)
        self.edges = {key: self._references(key) for key in self.functions}

    def path_to_danger(self, roots: Iterable[Key]) -> list[Key] | None:
        """Return a way from one of these functions to a dangerous one, or None."""
        ways: list[list[Key]] = [[root] for root in roots if root in self.functions]
        seen = {way[0] for way in ways}
        for way in ways:
            if way[-1] in self.dangers:
                return way
            for further in sorted(self.edges[way[-1]] - seen):
                seen.add(further)
                ways.append([*way, further])
        return None

    # Collecting ---------------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        for module in self.modules.values():
            names = self.names[module.name] = _imports(module)
            for node in module.tree.body:
                if isinstance(node, FunctionNode | ast.ClassDef):
                    names[node.name] = f"{module.name}:{node.name}"
                if isinstance(node, FunctionNode):
                    self.functions[f"{module.name}:{node.name}"] = (module, node, "")
                elif isinstance(node, ast.ClassDef):
                    self._collect_class(module, node)
        for module in self.modules.values():
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    self._learn_attributes(module, node)

    def _collect_class(self, module: Module, node: ast.ClassDef) -> None:
        name = f"{module.name}:{node.name}"
        facts = self.classes[name] = ClassFacts()
        for part in node.body:
            if isinstance(part, FunctionNode):
                facts.methods.add(part.name)
                self.functions[f"{name}.{part.name}"] = (module, part, name)

    def _learn_attributes(self, module: Module, node: ast.ClassDef) -> None:
        facts = self.classes[f"{module.name}:{node.name}"]
        for base in node.bases:
            resolved = self._annotation(module, base)
            facts.bases += [resolved] if resolved else []
            facts.is_protocol |= "Protocol" in ast.unparse(base)
        for part in node.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                self._learn(facts, part.target.id, self._annotation(module, part.annotation))
        for method in (part for part in node.body if isinstance(part, FunctionNode)):
            known = self._parameters(module, method, f"{module.name}:{node.name}")
            for statement in ast.walk(method):
                target, value, annotation = _assignment(statement)
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id == "self"
                ):
                    found = self._annotation(module, annotation) or (
                        self._type(module, value, known) if value else None
                    )
                    self._learn(facts, target.attr, found)

    def _learn(self, facts: ClassFacts, attribute: str, found: str | None) -> None:
        if found:
            facts.attributes.setdefault(attribute, found)

    # Resolving ----------------------------------------------------------------------------------------------------------

    def _annotation(self, module: Module, node: ast.AST | None) -> str | None:
        """Return the first class of ours that an annotation names, `X | None` and `Generic[X]` taken apart."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        for part in ast.walk(node) if node is not None else ():
            if isinstance(part, ast.Name | ast.Attribute):
                found = self._static(module, part)
                if found in self.classes:
                    return found
        return None

    def _static(self, module: Module, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self.names[module.name].get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            base = self.names[module.name].get(node.value.id, "")
            if base in self.modules:
                return self.names[base].get(node.attr)
        return None

    def _parameters(self, module: Module, function: FunctionNode, owner: str) -> dict[str, str]:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        known = {a.arg: found for a in arguments if (found := self._annotation(module, a.annotation))}
        if owner and arguments:
            known.setdefault(arguments[0].arg, owner)
        return known

    def _type(self, module: Module, node: ast.AST | None, known: Mapping[str, str]) -> str | None:
        match node:
            case ast.Name(id=name) if name in known:
                return known[name]
            case ast.Name(id=name):
                return self.names[module.name].get(name)
            case ast.Attribute(value=value, attr=attribute):
                owner = self._type(module, value, known)
                return (
                    self._attribute(owner, attribute) if owner in self.classes else self._static(module, node)
                )
            case ast.Call(func=function):
                return self._returned(self._type(module, function, known))
            case ast.Await(value=value):
                return self._type(module, value, known)
        return None

    def _returned(self, called: str | None) -> str | None:
        if called in self.functions:
            home, definition, _ = self.functions[called]
            return self._annotation(home, definition.returns)
        return called if called in self.classes else None

    def _attribute(self, owner: str, name: str) -> str | None:
        facts = self.classes[owner]
        if name in facts.attributes:
            return facts.attributes[name]
        if name in facts.methods:
            return f"{owner}.{name}"
        return next(
            (
                found
                for base in facts.bases
                if base in self.classes and (found := self._attribute(base, name))
            ),
            None,
        )

    # Edges --------------------------------------------------------------------------------------------------------------

    def _references(self, key: Key) -> set[Key]:
        module, function, owner = self.functions[key]
        known = self._parameters(module, function, owner)
        for statement in ast.walk(function):
            target, value, annotation = _assignment(statement)
            found = self._annotation(module, annotation) or self._type(module, value, known)
            if isinstance(target, ast.Name) and found:
                known[target.id] = found
        found_keys: set[Key] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                found_keys |= self._meant(module, node, known)
        if owner and function.name != "__init__":
            # What the constructor handed on (`Batcher(self._flush)`) may be called by whatever a method does.
            found_keys |= self._handed_on(owner)
        return found_keys - {key}

    def _meant(self, module: Module, node: ast.Name | ast.Attribute, known: Mapping[str, str]) -> set[Key]:
        found = self._type(module, node, known)
        if found in self.functions:
            facts = self.classes.get(found.rpartition(".")[0])
            if facts is not None and facts.is_protocol:
                return self._implementations(found)
            return {found}
        if found in self.classes:
            return {
                made for made in (f"{found}.__init__", f"{found}.__post_init__") if made in self.functions
            }
        if (
            isinstance(node, ast.Attribute)
            and found is None
            and self._type(module, node.value, known) is None
        ):
            return set(self._dangerous_methods.get(node.attr, ()))
        return set()

    def _implementations(self, method: Key) -> set[Key]:
        protocol, _, name = method.rpartition(".")
        wanted = self.classes[protocol].methods
        return {
            f"{cls}.{name}"
            for cls, facts in self.classes.items()
            if wanted <= facts.methods and not facts.is_protocol
        }

    def _handed_on(self, owner: str) -> set[Key]:
        constructor = self.functions.get(f"{owner}.__init__")
        if constructor is None:
            return set()
        calls = {id(node.func) for node in ast.walk(constructor[1]) if isinstance(node, ast.Call)}
        return {
            f"{owner}.{node.attr}"
            for node in ast.walk(constructor[1])
            if isinstance(node, ast.Attribute)
            and id(node) not in calls
            and node.attr in self.classes[owner].methods
        }


def key_of(function: Any) -> Key:
    """Return the key of a real function or bound method; of one made inside another, the outer one's."""
    function = getattr(function, "__func__", function)
    return f"{function.__module__}:{function.__qualname__.partition('.<locals>')[0]}"


def _imports(module: Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in module.walk():
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}:{alias.name}"
                if node.module in ("shared", "services"):
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _assignment(node: ast.AST) -> tuple[ast.AST | None, ast.AST | None, ast.AST | None]:
    match node:
        case ast.Assign(targets=[target], value=value):
            return target, value, None
        case ast.AnnAssign(target=target, value=value, annotation=annotation):
            return target, value, annotation
        case ast.NamedExpr(target=target, value=value):
            return target, value, None
        case ast.withitem(optional_vars=target, context_expr=value) if target is not None:
            return target, value, None
        case _:
            return None, None, None
