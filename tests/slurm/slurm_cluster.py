"""A real Slurm of two nodes on one machine: slurmctld, munged, and a slurmd in namespaces of its own for each node.

isolate() moves the calling script into new namespaces (network, mounts, processes, host name, IPC). Whatever it starts
there (bridge, addresses, mounts, daemons) ends with it, however it ends: the kernel takes the namespaces away.
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

SKIPPED = 77
PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge", "ip": "iproute2"}
NAMESPACES = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
INSIDE = "DITBATCH_TEST_NAMESPACES"

CONFIGURATION = """
ClusterName=test
SlurmctldHost=controller(10.77.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# Also how long a requeued job waits before it starts again (120 s unless set).
AuthInfo=socket={work}/munge.socket,cred_expire=5
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool-%n
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd-%n.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=pmix
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=5
KillWait=2
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2
NodeName=n1 NodeAddr=10.77.0.1 CPUs=4
NodeName=n2 NodeAddr=10.77.0.2 CPUs=4
PartitionName=all Nodes=n1,n2 Default=YES State=UP
"""

HOSTS = "127.0.0.1 localhost\n10.77.0.254 controller\n10.77.0.1 n1\n10.77.0.2 n2\n"

# The first process of a node: its end is the end of everything on the node.
NODE = """
set -e
hostname {name}
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
until ip link show {name} >/dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip address add {address}/24 dev {name}
ip link set {name} up
slurmd -D -N {name} &
wait
"""


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(SKIPPED)


def skip_where_impossible(work):
    """Ends the script as skipped, and says why, on machines that cannot run a Slurm of their own."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not list(pathlib.Path("/usr/lib").glob("*/libpmix.so")):
        missing.append("libpmix-dev")  # Slurm opens the file without a version
    if missing:
        skip(f"no Slurm to test with (missing packages: {' '.join(missing)}) tools/setup.sh installs them on Debian")
    if str(work).startswith("/tmp/"):
        skip("the nodes have a /tmp of their own, and the build folder lies in /tmp")
    if os.geteuid() != 0 or subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode != 0:
        skip("new namespaces are not allowed here (network, mounts, processes) run the tests as root, outside of a container")


def isolate(work):
    """Starts this script again in namespaces of its own; where that is not possible it ends as skipped."""
    if os.environ.pop(INSIDE, None):
        return
    skip_where_impossible(work)
    os.environ[INSIDE] = "1"
    os.execvp(NAMESPACES[0], [*NAMESPACES, sys.executable, *sys.argv])


class Cluster:
    """Two nodes n1 and n2 of four (claimed) processors. As a context: up and idle inside."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.begin_s = time.monotonic()
        self.nodes = {}
        self.daemons = []

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.print_logs()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.print_logs()
        for process in [*self.nodes.values(), *self.daemons]:
            process.kill()
        for process in [*self.nodes.values(), *self.daemons]:
            process.wait()

    def _start(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        for folder in ("state", "spool-n1", "spool-n2"):
            (self.work / folder).mkdir()
        (self.work / "slurm.conf").write_text(CONFIGURATION.format(work=self.work))
        (self.work / "hosts").write_text(HOSTS)
        (self.work / "munge.key").write_bytes(os.urandom(128))
        (self.work / "munge.key").chmod(0o400)
        os.environ["SLURM_CONF"] = str(self.work / "slurm.conf")
        run("hostname", "controller")
        run("mount", "--bind", self.work / "hosts", "/etc/hosts")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge0", "type", "bridge")
        run("ip", "address", "add", "10.77.0.254/24", "dev", "bridge0")
        run("ip", "link", "set", "bridge0", "up")
        self._daemon("munged", "--foreground", "--force", f"--key-file={self.work}/munge.key", f"--socket={self.work}/munge.socket",
                     f"--pid-file={self.work}/munge.pid", f"--log-file={self.work}/munge.log", f"--seed-file={self.work}/munge.seed")
        wait_until(lambda: (self.work / "munge.socket").exists(), 20, "munged has no socket")
        self._daemon("slurmctld", "-D")
        for number, name in enumerate(("n1", "n2"), 1):
            self._start_node(name, f"10.77.0.{number}")
        wait_until(lambda: self.states() == {"n1": "idle", "n2": "idle"}, 60, "the nodes do not come up")

    def _start_node(self, name, address):
        node = subprocess.Popen([*NAMESPACES, "bash", "-c", NODE.format(name=name, address=address)],
                                stdout=open(self.work / f"{name}.out", "w"), stderr=subprocess.STDOUT)
        self.nodes[name] = node
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{node.pid}/ns/net") != own, 10, f"{name} has no network namespace")
        run("ip", "link", "add", f"port-{name}", "type", "veth", "peer", "name", name, "netns", node.pid)
        run("ip", "link", "set", f"port-{name}", "master", "bridge0", "up")

    def _daemon(self, *command):
        out = open(self.work / f"{command[0]}.out", "w")
        self.daemons.append(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT))

    def age_s(self):
        return time.monotonic() - self.begin_s

    def states(self):
        """What slurmctld thinks of the nodes: {"n1": "idle", ...}."""
        done = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%N %T"], capture_output=True, text=True)
        return dict(line.split() for line in done.stdout.splitlines())

    def kill_node(self, name):
        """As if its power went: slurmd, job steps and ranks of the node are gone at once."""
        self.nodes[name].kill()
        self.nodes[name].wait()

    def print_logs(self):
        for log in sorted(self.work.glob("*.log")):
            print(f"--- {log.name}\n" + "".join(log.read_text(errors="replace").splitlines(keepends=True)[-40:]))


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def wait_until(condition, limit_s, otherwise, details=lambda: ""):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit_s, f"{otherwise} (waited {limit_s} s)\n{details()}"
        time.sleep(0.1)
