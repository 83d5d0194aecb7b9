"""The process itself: domains, threads, forks, the end."""

import gc
import multiprocessing
import os
import sys
import threading
import warnings
from typing import Any, Callable, Dict

import mailboat
import table
from table import State
from wire import Answer, Request, of_items

# Set by the driver; what a child does with the path of its socket.
in_child: Callable[[str], None]


def hello(request: Request) -> Answer:
    return Answer(language="python", pid=os.getpid(), version=mailboat.__version__)


def thread(request: Request) -> Answer:
    return Answer(tid=threading.get_native_id())


def environment(request: Request) -> Answer:
    value = request.get("value")
    if value is None:
        os.environ.pop(request.need("name"), None)
    else:
        os.environ[request.need("name")] = value
    return Answer()


def become(request: Request) -> Answer:
    os.setgroups([])
    os.setgid(request.number("gid"))
    os.setuid(request.number("uid"))
    return Answer()


def domain(request: Request) -> Answer:
    location = request.get("location")
    names = ("gid", "mode", "max_tasks")
    options = {n: int(request.words[n]) for n in names if n in request.words}
    State.domain = None if location is None else mailboat.Domain(location, **options)
    return Answer(path=None if State.domain is None else State.domain.path)


def this_domain() -> mailboat.Domain:
    return State.domain or mailboat.Domain()


def domain_stat(request: Request) -> Answer:
    stat = this_domain().stat()
    return Answer(
        tasks=stat.tasks,
        max_tasks=stat.max_tasks,
        deaths=stat.deaths,
        space_total=stat.space_total,
        shared=stat.gid is not None,
    )


def domain_list(request: Request) -> Answer:
    return of_items(
        [
            Answer(kind=e.kind, name=e.name, bytes=e.bytes, uid=e.uid, mode=e.mode)
            for e in this_domain().list()
        ]
    )


def domain_tasks(request: Request) -> Answer:
    tasks = this_domain().tasks()
    return of_items([Answer(id=t.id, pid=t.pid, alive=t.alive) for t in tasks])


def task(request: Request) -> Answer:
    return Answer(task=this_domain().task)


def reset(request: Request) -> Answer:
    table.clear()
    gc.collect()
    return Answer()


def stop(request: Request) -> Answer:
    State.stop = True
    return Answer()


def fork(request: Request) -> Answer:
    path = request.need("socket")
    with warnings.catch_warnings():
        # That there are other threads is the point; the child leaves their things alone.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            in_child(path)
            status = 0
        finally:
            os._exit(status)
    return Answer(pid=pid)


def child_of_multiprocessing(path: str, handles: Dict[str, Any], place: Any) -> None:
    """Runs in a process made by multiprocessing, with what was given as arguments."""
    table.clear()
    table.handles.update(handles)
    State.domain = place
    in_child(path)


def by_multiprocessing(request: Request) -> Answer:
    context = multiprocessing.get_context(request.need("method"))
    handles = {name: table.find(table.handles, name) for name in request.need("handles").split(",")}
    arguments = (request.need("socket"), handles, State.domain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process = context.Process(target=child_of_multiprocessing, args=arguments, daemon=True)
        process.start()
    return Answer(pid=process.pid)


def wait_child(request: Request) -> Answer:
    _, status = os.waitpid(request.number("pid"), 0)
    return Answer(status=status)


def end_now(request: Request) -> Answer:
    sys.exit(0)


VERBS = {
    "hello": hello,
    "thread": thread,
    "environment": environment,
    "become": become,
    "domain": domain,
    "domain_stat": domain_stat,
    "domain_list": domain_list,
    "domain_tasks": domain_tasks,
    "task": task,
    "reset": reset,
    "stop": stop,
    "fork": fork,
    "multiprocessing": by_multiprocessing,
    "wait_child": wait_child,
    "exit": end_now,
}
