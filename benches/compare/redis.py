"""Runs what `redis.sh` compares, in turns, and prints the best of each: taking turns lets all of them see the same noise.

What share of the time the server's one thread worked shows what the limit is: nothing goes faster than a server that never waits.

usage: redis.py FOLDER PORT PID KEYS ROUNDS
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time

FOLDER, PORT, PID, KEYS, ROUNDS = sys.argv[1], *map(int, sys.argv[2:6])
MANY = KEYS * 5
EVENKEEL, LOOP = os.path.abspath("target/release/evenkeel"), os.path.abspath("target/release/examples/enforce_loop")
CLI = f"redis-cli -p {PORT}"
MAX_MILLIS = 36_000_000


class Link:
    """One connection that sends a command and waits for its one-line or bulk answer."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        answer = self.socket.recv(4096)
        if answer.startswith(b"-"):
            raise SystemExit(answer.decode())
        return answer


SERVER = Link()

# Of a hundred keys, twenty are sessions that break the rule, half of them endless and half too long, and nineteen are pages to be purged.
FILL = """for i = ARGV[1], ARGV[2] - 1 do
  local part = i % 100
  local key = string.format(part > 80 and 'page:%08d' or 'session:%08d', i)
  local value = string.format('v%015d', i)
  if part < 10 then redis.call('set', key, value)
  else redis.call('set', key, value, 'ex', part < 20 and 72000 or 18000) end
end return 1"""


def empty():
    SERVER.ask("flushall")


def fill():
    empty()
    for start in range(0, MANY, 100_000):
        SERVER.ask("eval", FILL, 0, start, min(start + 100_000, MANY))


class Probe(threading.Thread):
    """A client that gets a key a thousand times a second, and remembers what it waited."""

    def __init__(self):
        super().__init__(daemon=True)
        self.waits, self.ended, self.link = [], threading.Event(), Link()
        self.start()

    def run(self):
        while not self.ended.wait(0.001):
            begun = time.perf_counter()
            self.link.ask("get", "session:00000042")
            self.waits.append(time.perf_counter() - begun)

    def end(self):
        self.ended.set()
        self.join()
        waits = sorted(self.waits)
        at = lambda share: waits[min(int(len(waits) * share), len(waits) - 1)] * 1000
        return f"p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms, p99.9 {at(0.999):.2f} ms"


def peak(pid):
    """The most memory a process has had so far, in MB: of itself alone, as `ru_maxrss` would count its parent too."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def worked():
    """Seconds that the server's main thread has worked so far."""
    with open(f"/proc/{PID}/task/{PID}/schedstat") as stat:
        return int(stat.read().split()[0]) / 1e9


@dataclasses.dataclass
class Run:
    """What a command took. `seconds` is the pass that both sides make, `whole` all of it, with evenkeel's plan and start."""

    seconds: float
    whole: float
    memory: float
    busy: float


def measure(command, alone=lambda whole: whole):
    """Runs a command; a text is a pipeline for the shell. `alone` gives the seconds of the pass, which ends with the command."""
    begun, looks = time.perf_counter(), []
    with open(f"{FOLDER}/out", "w") as out:
        process = subprocess.Popen(command, shell=isinstance(command, str), stdout=out, stderr=out)
    memory = 0
    while process.poll() is None:
        memory = max(memory, peak(process.pid))
        looks.append((time.perf_counter(), worked()))
        time.sleep(0.005)
    ended, work = time.perf_counter(), worked()
    if process.returncode != 0:
        raise SystemExit(f"{command}: exit {process.returncode}\n{open(f'{FOLDER}/out').read()[-2000:]}")
    seconds = alone(ended - begun)
    at, before = min(looks, key=lambda look: abs(look[0] - (ended - seconds)))
    return Run(seconds, ended - begun, memory, (work - before) / (ended - at))


def last_step(_):
    """The step alone, as the journal tells it. The wall time has the plan's pass too."""
    with open(f"{FOLDER}/state/evenkeel/journal.jsonl") as journal:
        ends = [event for event in map(json.loads, journal) if event.get("event") == "end"]
    return ends[-1]["elapsed_ms"] / 1000


def apply(name, policy):
    path = f"{FOLDER}/{name}.toml"
    with open(path, "w") as file:
        file.write(HEAD + policy)
    return measure([EVENKEEL, "apply", path, "--yes", "--quiet"], last_step)


HEAD = f"""[guards]
allow = ["cools-cache", "expires-keys"]
[redis.cache]
url = "redis://127.0.0.1:{PORT}"
"""
WARM = f"""[redis.cache.warm.w]
key = "session:{{id}}"
value = "{{v}}"
ttl = "1h"
source = {{ file = "{FOLDER}/rows.jsonl" }}
"""
RULE = """[redis.cache.ttl.s]
match = "session:*"
max_ttl = "10h"
jitter = "10%"
"""
PURGE = """[redis.cache.purge.p]
match = ["page:*"]
token = "%d"
"""


def turns(title, keys, prepare, jobs):
    """Runs the jobs in turns, each after `prepare`; gives the least seconds of each, by name."""
    runs = {name: [] for name in jobs}
    for number in range(ROUNDS):
        for name, job in jobs.items():
            prepare()
            runs[name].append(job(number))
    best = {name: min(results, key=lambda run: run.seconds) for name, results in runs.items()}
    print(f"\n{title}\n{'':34} {'pass':>9} {'keys/s':>9} {'server':>7} {'command':>9} {'peak':>8}")
    for name, run in best.items():
        # Of a pipeline only the shell's own memory would be told.
        size = f"{max(run.memory for run in runs[name]):5.1f} MB" if "redis-cli" not in name else ""
        rate = keys / run.seconds / 1000
        print(f"{name:34} {run.seconds:7.2f} s {rate:7.0f} k {run.busy:7.0%} {run.whole:7.2f} s {size:>8}", flush=True)
    return {name: run.seconds for name, run in best.items()}


def ratio(best, other, aim):
    print(f"  evenkeel / {other}: {best[other] / best['evenkeel']:.2f} x   (aim {aim})", flush=True)


def main():
    with open(f"{FOLDER}/rows.jsonl", "w") as rows, open(f"{FOLDER}/set.resp", "w", newline="") as commands:
        for i in range(KEYS):
            rows.write('{"id":"%08d","v":"v%015d"}\n' % (i, i))
            commands.write("*5\r\n$3\r\nSET\r\n$16\r\nsession:%08d\r\n$16\r\nv%015d\r\n$2\r\nEX\r\n$4\r\n3600\r\n" % (i, i))
    pipe = f"{CLI} --pipe <'{FOLDER}/set.resp'"
    best = turns(f"warm {KEYS} keys", KEYS, empty, {
        "redis-cli --pipe": lambda _: measure(pipe),
        "evenkeel": lambda _: apply("warm", WARM),
    })
    ratio(best, "redis-cli --pipe", ">= 1.15")
    plans = [measure([EVENKEEL, "plan", f"{FOLDER}/warm.toml"]) for _ in range(ROUNDS)]
    plan = min(plans, key=lambda run: run.seconds)
    print(f"  plan of {KEYS} keys, all warm: {plan.seconds:.2f} s, {plan.memory:.1f} MB   (aim 1 s for 1 000 000)", flush=True)

    awk = f"{CLI} --scan --pattern 'session:*' | awk '{{ print \"PEXPIRE \" $1 \" {MAX_MILLIS} LT\" }}' | {CLI} --pipe"
    best = turns(f"enforce a ttl over {MANY} keys, {MANY // 5} of them too long or endless", MANY, fill, {
        "redis-cli --scan | awk | --pipe": lambda _: measure(awk),
        "enforce_loop": lambda _: measure([LOOP, f"redis://127.0.0.1:{PORT}", "session:*", str(MAX_MILLIS)]),
        "evenkeel": lambda _: apply("ttl", RULE),
    })
    ratio(best, "enforce_loop", ">= 0.9")
    ratio(best, "redis-cli --scan | awk | --pipe", ">= 5")
    plan = measure([EVENKEEL, "plan", f"{FOLDER}/ttl.toml"])
    print(f"  plan of {MANY} keys, all as they should be: {plan.seconds:.2f} s, {plan.memory:.1f} MB", flush=True)

    probe = Probe()
    time.sleep(3)
    print(f"\na bystander's GET, a thousand a second, max_latency as it is without a word (2ms)\n  idle:      {probe.end()}")
    fill()
    probe = Probe()
    run = apply("ttl", RULE)
    print(f"  enforcing: {probe.end()}; the pass took {run.seconds:.2f} s", flush=True)

    unlink = f"{CLI} --scan --pattern 'page:*' | xargs -n 1000 {CLI} unlink"
    best = turns(f"purge {MANY * 19 // 100} of {MANY} keys", MANY, fill, {
        "redis-cli --scan | xargs unlink": lambda _: measure(unlink),
        "evenkeel": lambda number: apply("purge", PURGE % number),
    })
    ratio(best, "redis-cli --scan | xargs unlink", ">= 5")


main()
