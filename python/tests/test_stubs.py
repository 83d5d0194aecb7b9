"""The stubs say what the module is, and the module has doc strings and signatures."""

import ast
import inspect
import pickle
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

import mailboat
from mailboat import _mailboat

PACKAGE = Path(mailboat.__file__).parent
STUB = ast.parse((PACKAGE / "_mailboat.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}

# Where the interpreter has its own name for what the stub says, or has none before some version.
BUFFER = {"__buffer__", "__release_buffer__"}
# Made by the interpreter for every class, or known to no user.
IGNORED = {
    "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__",
    "__getattribute__", "__getstate__", "__gt__", "__hash__", "__init__", "__init_subclass__",
    "__le__", "__lt__", "__module__", "__ne__", "__new__", "__reduce__", "__reduce_ex__",
    "__repr__", "__setattr__", "__sizeof__", "__slotnames__", "__str__", "__subclasshook__",
}  # fmt: skip

Parameter = Tuple[str, str, Optional[str]]


def members(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for member in node.body:
        assert isinstance(member, ast.FunctionDef) or ast.get_docstring(node), ast.dump(member)
        if isinstance(member, ast.FunctionDef):
            yield member


def decorators(node: ast.FunctionDef) -> List[str]:
    return [ast.unparse(decorator) for decorator in node.decorator_list]


def stubbed(node: ast.FunctionDef) -> List[Parameter]:
    """Name, kind and default of each parameter as the stub has it."""
    arguments = node.args
    positional = arguments.posonlyargs + arguments.args
    defaults: List[Optional[ast.expr]] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    found = []
    for index, (argument, default) in enumerate(zip(positional, defaults)):
        kind = "POSITIONAL_ONLY" if index < len(arguments.posonlyargs) else "POSITIONAL_OR_KEYWORD"
        found.append((argument.arg, kind, default and ast.unparse(default)))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        found.append((argument.arg, "KEYWORD_ONLY", default and ast.unparse(default)))
    return found


def real(function: object) -> List[Parameter]:
    """The same as the module has it."""
    found = []
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        default = None if parameter.default is parameter.empty else repr(parameter.default)
        default = {"Ellipsis": "..."}.get(str(default), default)
        found.append((parameter.name, parameter.kind.name, default))
    return found


def same(stub: List[Parameter], module: List[Parameter]) -> bool:
    # `self` is positional-only in compiled methods, and of no interest.
    return [p for p in stub if p[0] not in ("self", "cls")] == [
        p for p in module if p[0] not in ("self", "cls")
    ]


def test_all_names_are_exported() -> None:
    assert len(set(mailboat.__all__)) == len(mailboat.__all__)
    public = {name for name in vars(mailboat) if not name.startswith("_")}
    assert public | {"__version__"} == set(mailboat.__all__)
    for name in vars(_mailboat):
        if not name.startswith("_"):
            assert getattr(mailboat, name) is getattr(_mailboat, name)


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_version_is_that_of_the_distribution() -> None:
    assert mailboat.__version__ == version("mailboat")


def test_the_stubs_have_the_modules_names() -> None:
    stub = {node.name for node in STUB.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    stub |= {
        node.target.id
        for node in STUB.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    module = {
        name
        for name in vars(_mailboat)
        if name
        not in (
            "__all__",
            "__builtins__",
            "__doc__",
            "__file__",
            "__loader__",
            "__name__",
            "__package__",
            "__spec__",
        )
    }
    assert stub == module


@pytest.mark.parametrize("name", CLASSES)
def test_the_stub_of_a_class(name: str) -> None:
    cls = getattr(_mailboat, name)
    inherited = {base.id for base in CLASSES[name].bases if isinstance(base, ast.Name)}
    in_stub: Dict[str, ast.FunctionDef] = {}
    for each in [*inherited, name]:
        in_stub.update({node.name: node for node in members(CLASSES[each])})
    in_module = {attribute for attribute in dir(cls) if attribute not in IGNORED}
    expected = set(in_stub) - ({"__new__"} if cls is not mailboat.Domain else set())
    assert in_module - BUFFER == expected - BUFFER - {"__new__"}
    if sys.version_info >= (3, 12):
        assert in_module & BUFFER == expected & BUFFER

    for node in members(CLASSES[name]):
        if node.name.endswith(".setter") or any("setter" in each for each in decorators(node)):
            continue
        if node.name in BUFFER:
            continue
        if node.name == "__new__":
            if sys.version_info < (3, 10):
                continue  # The interpreter does not tell the signature of a compiled class.
            assert same(stubbed(node), real(cls)), node.name
            continue
        member = inspect.getattr_static(cls, node.name)
        if "property" in decorators(node):
            assert inspect.isgetsetdescriptor(member), node.name
            assert member.__doc__, node.name
        else:
            assert isinstance(member, staticmethod) == ("staticmethod" in decorators(node))
            function = getattr(cls, node.name)
            assert same(stubbed(node), real(function)), (stubbed(node), real(function))
            if not node.name.startswith("__"):
                assert function.__doc__, node.name


@pytest.mark.parametrize("name", CLASSES)
def test_properties_are_set_only_where_the_stub_says_so(
    name: str, port: mailboat.Port, segment: mailboat.Segment
) -> None:
    settable = {
        node.name
        for node in members(CLASSES[name])
        if any(each.endswith(".setter") for each in decorators(node))
    }
    assert settable == ({"kind", "length"} if name == "Loan" else set())
    port.send(b"x")
    things = {
        "Domain": port.domain, "DomainStat": port.domain.stat(), "Entry": port.domain.list()[0],
        "TaskInfo": port.domain.tasks()[0], "Message": port.take(), "Loan": port.loan(1),
        "Header": port.receive_into, "Segment": segment, "Queue": port, "Port": port,
        "QueueStat": port.stat(), "PortStat": port.stat(),
    }  # fmt: skip
    for node in members(CLASSES[name]):
        if "property" in decorators(node) and node.name not in settable:
            with pytest.raises(AttributeError):
                setattr(things[name], node.name, 1)


@pytest.mark.parametrize("name", mailboat.__all__)
def test_everything_has_a_doc_string(name: str) -> None:
    thing = getattr(mailboat, name)
    if inspect.isclass(thing):
        assert thing.__doc__ and len(thing.__doc__) > 15
        assert thing.__module__ == "mailboat"
        assert thing.__qualname__ == name
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_mypy_finds_no_difference(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    # The interpreter shows the buffer protocol as methods from 3.12 on.
    allowed.write_text("" if sys.version_info >= (3, 12) else r".*\.__(release_)?buffer__" + "\n")
    options = ["--allowlist", str(allowed), "--ignore-disjoint-bases"]
    accepted(mypy(tmp_path, "mypy.stubtest", "mailboat", *options))


def test_mypy_accepts_good_programs_and_refuses_bad_ones(tmp_path: Path) -> None:
    good = Path(__file__).with_name("typed_program.py")
    accepted(mypy(tmp_path, "mypy", "--strict", str(good)))
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import mailboat\n"
        "port = mailboat.Port.create('x', capacity='many')\n"
        "port.send('text')\n"
        "port.try_receive().body\n"
        "port.take().kind = 1\n"
        "mailboat.Port.create('x', 10)\n"
    )
    result = mypy(tmp_path, "mypy", "--strict", str(bad))
    complaints = [line for line in result.stdout.splitlines() if ": error: " in line]
    assert [int(line.split(":")[1]) for line in complaints] == [2, 3, 4, 5, 6], result.stdout


def mypy(place: Path, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # Elsewhere than in the directory of the packages, which mypy would take for the program.
    program = [sys.executable, "-m", module, *arguments]
    return subprocess.run(program, capture_output=True, text=True, cwd=place)


def accepted(result: "subprocess.CompletedProcess[str]") -> None:
    assert result.returncode == 0, result.stdout + result.stderr
