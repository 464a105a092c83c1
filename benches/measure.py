"""Runs commands in turn, several rounds, and prints a table: median wall time, CPU time and peak memory of each.

usage: measure.py ROUNDS NAME COMMAND… [-- NAME COMMAND…]…

Commands are run as they are, without a shell; what they print is thrown away. Taking turns lets all of them see the same noise.
"""

import os
import statistics
import sys
import time


def run(command):
    """One run: seconds of wall time, seconds of CPU time, peak resident kilobytes, exit code."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)


def main():
    rounds = int(sys.argv[1])
    jobs, words = [], []
    for word in sys.argv[2:] + ["--"]:
        if word != "--":
            words.append(word)
        elif words:
            jobs.append((words[0], words[1:]))
            words = []
    results = {name: [] for name, _ in jobs}
    for number in range(rounds + 1):
        for name, command in jobs:
            result = run(command)
            if number > 0:  # the first round warms the caches
                results[name].append(result)
    print(f"{'':44} {'wall':>10} {'cpu':>10} {'peak':>10}  exit")
    for name, runs in results.items():
        wall, cpu, peak, _ = (statistics.median(column) for column in zip(*runs))
        codes = sorted({run[3] for run in runs})
        print(f"{name:44} {wall * 1000:8.1f}ms {cpu * 1000:8.1f}ms {peak / 1024:8.1f}MB  {','.join(map(str, codes))}")


main()
