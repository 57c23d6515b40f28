"""The source of a package that attacks the machine it runs on; its workflow is called `abuse`."""

SOURCE = '''
import ctypes, errno, gc, os, resource, signal, socket, subprocess, sys, time
from pathlib import Path

from holdwater import TaskHandle, WorkflowBuilder, task
from holdwater.model.message_framing import pack_frame


def use_memory(context):
    return len(b"x" * (8 << 30))


def open_files(context):
    return len([open(os.devnull) for _ in range(10_000)])


def write_a_large_file(context):
    with open("large", "wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
            file.flush()


def raise_a_limit(context):
    resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))


def fork_without_end(context):
    """A bomb whose charges stay; where root is not limited it stops by itself."""
    for _ in range(context["forks"]):
        if not os.fork():
            while True:
                signal.pause()
    while True:
        pass


def loop(context):
    while True:
        pass


def end_the_process(context):
    os._exit(11)


def read_environment_of_the_engine(context):
    return len(Path(f"/proc/{context['engine']}/environ").read_bytes()) > 0


def read_own_environment(context):
    return [name for name in os.environ if name not in ("PATH", "LANG", "TZ", "HOME", "TMPDIR", "LC_CTYPE")]


def read_the_database(context):
    return len(Path(context["database"]).read_bytes()) > 0


def write_to_the_package(context):
    Path(__file__).with_name("more.py").write_text("")


def write_to_the_library(context):
    import holdwater
    Path(holdwater.__file__).with_name("more.py").write_text("")


def signal_the_engine(context):
    os.kill(context["engine"], 0)
    return "it may"


def trace_the_engine(context):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, context["engine"], None, None):  # PTRACE_SEIZE: does not stop it
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(17, context["engine"], None, None)
    return "it may"


def see_other_processes(context):
    return sum(name.isdigit() for name in os.listdir("/proc")) > 10


def connect_to_the_network(context):
    with socket.create_connection(("127.0.0.1", context["port"]), 5):
        return "connected"


def leave_a_daemon(context):
    subprocess.Popen(["sleep", context["mark"]], start_new_session=True)
    return "left"


def flood_the_output(context):
    line = "x" * 1023 + "\\n"
    for _ in range(20_000):
        sys.stdout.write(line)
    return "flooded"


def write_to_the_pipe_of_the_runner(context):
    os.write(worker()._write_fd, b"\\xff" * 8)
    loop(context)


def answer_twice(context):
    me = worker()
    os.write(me._write_fd, pack_frame(["done", 5], b"x"))
    loop(context)


def worker():
    return next(thing for thing in gc.get_objects() if type(thing).__name__ == "PackageWorker")


def close_everything_and_loop(context):
    os.closerange(3, 256)
    loop(context)


def supervisor():
    assert b"packages.host.start" in Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    return os.getppid()


def kill_the_supervisor(context):
    os.kill(supervisor(), signal.SIGKILL)
    time.sleep(0.2)
    return "it lives"


def stop_the_supervisor_and_loop(context):
    os.kill(supervisor(), signal.SIGSTOP)
    loop(context)


def leave_the_group_and_loop(context):
    subprocess.Popen(["sleep", context["mark"]], start_new_session=True)
    os.setpgid(0, os.getpgid(supervisor()))
    loop(context)


with WorkflowBuilder("abuse"):

    @task()
    def attack(context, handle: TaskHandle):
        try:
            context["outcome"] = globals()[context["name"]](context)
        except OSError as error:
            context["outcome"] = errno.errorcode[error.errno]
        except (MemoryError, ValueError) as error:
            context["outcome"] = type(error).__name__
'''

NEIGHBOUR = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("neighbour"):

    @task()
    def work(context):
        context["sum"] = sum(range(1000))
"""
