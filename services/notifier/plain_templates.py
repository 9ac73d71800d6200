"""Which templates only show what differs from mail to mail: their mails are prepared once, and filled (`prepared`).

Read from the syntax tree, not tried out: what a template does with a value (a filter, a comparison, a length) would show only with
the value that it matters to. Whatever is not named here as harmless is taken for the opposite.
"""

from collections.abc import Iterable, Mapping

from jinja2 import Environment, TemplateError, nodes

# The variables of a message (`variables.own_variables`), and the phrases, which may show them.
_OWN = frozenset(
    {
        "url", "recipient", "passcode", "passcode_groups", "passcode_aloud", "asked_at", "valid_until", "asker", "inviter", "words",
    }
)  # fmt: skip
_WITH_MEMBERS = frozenset({"asker", "words"})
_OF_ASKERS = frozenset({"ip", "browser", "system", "device"})
# `data` is anybody's, `lipsum` is random, the others stand for what was shown elsewhere.
_UNKNOWN = frozenset({"data", "raw_data", "self", "super", "caller", "varargs", "kwargs", "lipsum"})
_OF_LOOPS = frozenset(
    {"first", "last", "index", "index0", "revindex", "revindex0", "length", "depth", "depth0"}
)
_PRESENCE = frozenset({"defined", "undefined", "none"})


def is_plain(env: Environment, name: str, *, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a template, with all that it extends and includes, only shows a message's own values, or asks if they are there."""
    if name in seen or env.loader is None:
        return False
    try:
        tree = env.parse(env.loader.get_source(env, name)[0])
    except (TemplateError, OSError, ValueError):
        return False  # what is wrong with it, rendering says
    return _all(tree.body, _OWN) and all(
        isinstance(other, nodes.Const)
        and isinstance(other.value, str)
        # A file's ending decides whether values are escaped in it.
        and other.value.endswith(".html") == name.endswith(".html")
        and is_plain(env, other.value, seen=seen | {name})
        for other in _others(tree)
    )


def is_plain_phrase(tree: nodes.Template) -> bool:
    """The same of a phrase."""
    return _all(tree.body, _OWN) and not _others(tree)


def _others(tree: nodes.Template) -> list[nodes.Node]:
    extended = [node.template for node in tree.find_all(nodes.Extends)]
    return [*extended, *(node.template for node in tree.find_all(nodes.Include))]


def _all(body: Iterable[nodes.Node], own: frozenset[str]) -> bool:
    return all(_statement(node, own) for node in body)


def _statement(node: nodes.Node, own: frozenset[str]) -> bool:
    match node:
        case nodes.Output():
            return all(_output(shown, own) for shown in node.nodes)
        case nodes.If():
            return _condition(node.test, own) and _all([*node.body, *node.elif_, *node.else_], own)
        case nodes.For():
            return _loop(node, own)
        case nodes.Block():
            return _all(node.body, own)
        case nodes.Assign(target=nodes.Name()):
            return _free(node.node, own)
    return isinstance(node, nodes.Extends | nodes.Include)  # looked at by `is_plain`


def _output(node: nodes.Node, own: frozenset[str]) -> bool:
    match node:
        case nodes.TemplateData():
            return True
        case nodes.CondExpr():
            parts = [node.expr1, node.expr2] if node.expr2 is not None else [node.expr1]
            return _condition(node.test, own) and all(_output(part, own) for part in parts)
        case nodes.Name():
            # These two have members; by themselves they would be shown as Python writes them.
            return node.name in own - _WITH_MEMBERS - {"passcode_groups"} or _free(node, own)
        case nodes.Call(node=nodes.Name(name="super"), args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            return True
    return _is_member(node) or _free(node, own)


def _condition(node: nodes.Node, own: frozenset[str]) -> bool:
    """Whether all that it asks of a message's own value is whether there is one."""
    match node:
        case nodes.And() | nodes.Or():
            return _condition(node.left, own) and _condition(node.right, own)
        case nodes.Not():
            return _condition(node.node, own)
        case nodes.Test(name=name, args=[], kwargs=[]) if name in _PRESENCE:
            return _condition(node.node, own)
        case nodes.Name():
            return node.name in own or _free(node, own)
    return _is_member(node) or _free(node, own)


def _loop(node: nodes.For, own: frozenset[str]) -> bool:
    if node.recursive or not isinstance(node.target, nodes.Name):
        return False
    inner = own
    if isinstance(node.iter, nodes.Name) and node.iter.name == "passcode_groups":
        inner = own | {node.target.name}
    elif not _free(node.iter, own):
        return False
    unfiltered = node.test is None or _free(node.test, inner)
    return unfiltered and _all(node.body, inner) and _all(node.else_, own)


def _is_member(node: nodes.Node) -> bool:
    match node:
        case nodes.Getattr(node=nodes.Name(name="asker"), attr=attr):
            return attr in _OF_ASKERS
        case nodes.Getattr(node=nodes.Name(name="words"), attr=attr):
            return not hasattr(Mapping, attr)  # `words.items` is no phrase
    return False


def _free(node: nodes.Node, own: frozenset[str]) -> bool:
    """Whether an expression has nothing to do with a message's own values."""
    inside = [node, *node.find_all(nodes.Node)]
    names = [part.name for part in inside if isinstance(part, nodes.Name)]
    steps = [
        part
        for part in inside
        if isinstance(part, nodes.Getattr)
        and isinstance(part.node, nodes.Name)
        and part.node.name == "loop"
        and part.attr in _OF_LOOPS
    ]
    return (
        not (own | _UNKNOWN).intersection(names)
        and names.count("loop") == len(steps)
        and not any(isinstance(part, nodes.Filter) and part.name == "random" for part in inside)
    )
