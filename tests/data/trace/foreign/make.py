#!/usr/bin/env python3
"""Makes the traces in this folder in other tools' formats, and what they hold in mmusim's text form.

    python3 make.py     needs Debian's xz-utils, zstd, bzip2, lz4 and zip

The same bytes each time. The tests read the files, not this program; it is the second opinion on the formats.

  drmemtrace/   as DynamoRIO's drmemtrace -offline leaves it: trace/ with one file a thread, and its schedules. The
                first thread is a zip archive with a member for each 2000 instructions, the second one gzip'd.
                It sorts, gets a signal, makes system calls whose kernel parts are traced; the second one copies by rep
                movs, prefetches, and is switched to. drmemtrace.txt.gz: both, interleaved
  steps.champsim.*   64-byte records in each compression; steps.txt.gz: the same
"""
import gzip
import os
import random
import struct
import subprocess
import zipfile

# The entries of DynamoRIO's trace_entry.h.
READ, WRITE, PREFETCHT0, INSTR, DIRECT_JUMP, INDIRECT_JUMP, DIRECT_CALL, RETURN = 0, 1, 3, 10, 11, 12, 14, 16
THREAD, EXIT, PID, HEADER, FOOTER, MARKER, NO_FETCH, ENCODING, TAKEN, UNTAKEN = 22, 23, 24, 25, 26, 28, 29, 47, 48, 49
EVENT, XFER, TIME, CPU, FILETYPE, LINE, VERSION, PAGE, CHUNK, CHUNK_END, ORDINAL, SYSCALL, BLOCKING, K_ENTER, K_EXIT, \
    TARGET, S_ENTER, S_EXIT = 0, 1, 2, 3, 9, 10, 12, 18, 20, 21, 22, 25, 26, 27, 28, 29, 34, 35
INSTRUCTIONS = {INSTR, DIRECT_JUMP, INDIRECT_JUMP, DIRECT_CALL, RETURN, TAKEN, UNTAKEN}
NANO = 1000
CHUNK_INSTRUCTIONS = 2000


def entry(type_, size, value):
    return struct.pack("<HHQ", type_, size, value & 0xFFFFFFFFFFFFFFFF)


class Thread:
    """Writes a thread's entries, and keeps blocks [time, steps] of what they mean: text lines and marks."""

    def __init__(self, pid, tid, time):
        self.chunks, self.instructions, self.seen, self.ordinal = [b""], 0, set(), 0
        self.blocks, self.header = [], []
        self.put(HEADER, 0, 5)
        self.put(MARKER, VERSION, 5)
        self.put(MARKER, FILETYPE, 0x40 | 0x200 | 0x400 | 0x800 | 0x1000)
        self.put(THREAD, 0, tid)
        self.put(PID, 0, pid)
        self.header += [("thread", tid), ("process", pid)]
        self.put(MARKER, LINE, 64)
        self.put(MARKER, CHUNK, CHUNK_INSTRUCTIONS)
        self.put(MARKER, PAGE, 4096)
        self.header.append(("event", "page-size 4096"))
        self.kernel, self.follows, self.cpu = False, False, 0
        self.clock(time, 0)

    def put(self, type_, size, value):
        self.chunks[-1] += entry(type_, size, value)
        self.ordinal += 1

    def say(self, what, value):
        self.blocks[-1][1].append((what, value))

    def clock(self, time, cpu):
        self.time, self.cpu = time, cpu
        self.put(MARKER, TIME, time)
        self.put(MARKER, CPU, cpu)
        self.blocks.append([time, [("cpu", cpu)]])

    def instruction(self, type_, ip, size, target=None):
        if self.instructions == CHUNK_INSTRUCTIONS:
            self.put(MARKER, CHUNK_END, len(self.chunks) - 1)
            self.chunks.append(b"")
            self.instructions, self.seen = 0, set()
            self.put(MARKER, ORDINAL, self.ordinal)
            self.put(MARKER, TIME, self.time)
            self.put(MARKER, CPU, self.cpu)
            self.blocks.append([self.time, [("cpu", self.cpu)]])
        if target is not None:
            self.put(MARKER, TARGET, target)
        if ip not in self.seen:
            code = bytes((ip * 7 + i * 31) & 255 for i in range(size)) + b"\0" * 16
            for at in range(0, size, 8):
                self.chunks[-1] += struct.pack("<HH", ENCODING, min(8, size - at)) + code[at:at + 8]
            self.seen.add(ip)
        self.put(type_, size, ip)
        self.instructions += 1
        self.follows = False
        if type_ != NO_FETCH:
            self.say("I", (ip, size, self.kernel, False))

    def data(self, type_, va, size):
        self.put(type_, size, va)
        if type_ in (READ, WRITE):
            self.say("L" if type_ == READ else "S", (va, size, self.kernel, self.follows))
            self.follows = True

    def event(self, marker, value, text, kernel=None):
        self.put(MARKER, marker, value)
        self.say("event", text)
        self.kernel = self.kernel if kernel is None else kernel

    def system_call(self, number, time, cpu):
        self.instruction(INSTR, 0x401200, 2)
        self.event(SYSCALL, number, f"syscall {number}")
        self.put(MARKER, BLOCKING, 0)
        self.clock(time, cpu)
        self.event(K_ENTER, number, "kernel-enter", True)
        for i in range(40):
            self.instruction(INSTR, 0xFFFFFFFF81000000 + 4 * i, 4)
            if i % 3 == 0:
                self.data(READ if i % 2 else WRITE, 0xFFFF888000000000 + 64 * i, 8)
        self.event(K_EXIT, number, "kernel-exit", False)
        self.clock(time + 3, cpu)

    def end(self, tid):
        self.put(EXIT, 0, tid)
        self.say("event", "exit")
        self.put(FOOTER, 0, 0)


def sort_thread(rng):
    t, time = Thread(5000, 5000, 13345678901234567), 13345678901234567
    stack, heap = 0x7FFD12340000, 0x5581B0000000
    for turn in range(60):
        t.instruction(DIRECT_CALL, 0x401000, 5)
        t.data(WRITE, stack - 8, 8)
        for i in range(rng.randrange(5, 40)):
            at = heap + 8 * rng.randrange(1 << 16)
            t.instruction(INSTR, 0x401100, 4)
            t.data(READ, at, 8)
            t.instruction(INSTR, 0x401104, 7)
            t.data(READ, at + 8, 8)
            t.instruction(UNTAKEN if rng.random() < 0.5 else TAKEN, 0x40110B, 2)
            if rng.random() < 0.3:
                t.instruction(INSTR, 0x40110D, 3)
                t.data(READ, at, 8)
                t.data(WRITE, at, 8)
            t.instruction(TAKEN, 0x401110, 6)
        t.instruction(RETURN, 0x401116, 1, target=0x401005)
        t.data(READ, stack - 8, 8)
        time += rng.randrange(20, 400)
        if turn % 10 == 5:
            t.system_call(202, time, 1 + turn // 10)
            time += 3
        elif turn == 33:
            t.event(EVENT, 0x401005, "kernel-event 0x401005")
            t.instruction(INSTR, 0x401300, 15)
            t.data(WRITE, stack - 600, 512)
            t.instruction(INSTR, 0x401310, 2)
            t.event(XFER, 0x401312, "kernel-xfer 0x401312")
        else:
            t.clock(time, turn // 10)
    t.end(5000)
    return t


def copy_thread(rng):
    t, time = Thread(5000, 5001, 13345678901234800), 13345678901234800
    for turn in range(80):
        if turn == 40:
            t.put(MARKER, S_ENTER, 1)
            t.say("event", "context-switch")
            t.say("event", "kernel-enter")
            t.kernel = True
            for i in range(20):
                t.instruction(INSTR, 0xFFFFFFFF82000000 + 3 * i, 3)
            t.event(S_EXIT, 1, "kernel-exit", False)
        t.instruction(INSTR, 0x402000, 8)
        t.data(PREFETCHT0, 0x7F1000000000 + 4096 * turn, 1)
        source, to = 0x7F1000000000 + 4096 * turn, 0x7F2000000000 + 4096 * turn
        for i in range(rng.randrange(1, 60)):
            t.instruction(NO_FETCH if i else INSTR, 0x402008, 2)
            t.data(READ, source + i, 1)
            t.data(WRITE, to + i, 1)
        t.instruction(INDIRECT_JUMP, 0x40200A, 2, target=0x402000)
        t.data(READ, 0x604000, 8)
        time += rng.randrange(20, 300)
        t.clock(time, 6)
    t.end(5001)
    return t


def interleave(threads):
    """At each time the thread with the smallest one goes on, the first of equals; then its marks and references."""
    base, lines, now = min(t.blocks[0][0] for t in threads), [], {}
    left = [list(t.blocks) for t in threads]
    told, latest = [dict() for _ in threads], None

    def mark(what, value):
        if what == "event":
            lines.append(f"# mmusim: event {value}")
        elif now.get(what) != value:
            now[what] = value
            lines.append(f"# mmusim: {what} {value}")

    while any(left):
        i = min((blocks[0][0], i) for i, blocks in enumerate(left) if blocks)[1]
        time, steps = left[i].pop(0)
        if latest != i and told[i]:  # another thread's came before: whose are they?
            for what in ("process", "thread", "cpu"):
                mark(what, told[i][what])
        if not told[i]:
            for what, value in threads[i].header:
                mark(what, value)
                told[i][what] = value
        latest = i
        mark("time", (time - base) * NANO)
        for what, value in steps:
            if what in "ILS":
                va, size, kernel, follows = value
                lines.append({"I": "I  ", "L": " L ", "S": " S "}[what] + f"{va:08x},{size}" +
                             (" k" if kernel else "") + (" +" if follows else ""))
            else:
                mark(what, value)
                told[i][what] = value
    return "\n".join(lines) + "\n"


def write_gzip(path, data):
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(data)


def make_drmemtrace():
    rng = random.Random(5)
    one, two = sort_thread(rng), copy_thread(rng)
    os.makedirs("drmemtrace/trace", exist_ok=True)
    stem = "drmemtrace/trace/drmemtrace.sorter."
    with zipfile.ZipFile(stem + "5000.0001.trace.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i, chunk in enumerate(one.chunks):
            archive.writestr(zipfile.ZipInfo(f"chunk.{i:04}"), chunk, zipfile.ZIP_DEFLATED)
    write_gzip(stem + "5001.0002.trace.gz", b"".join(two.chunks))
    write_gzip("drmemtrace/trace/serial_schedule.bin.gz", struct.pack("<4Q", 5000, one.blocks[0][0], 0, 0))
    with zipfile.ZipFile("drmemtrace/trace/cpu_schedule.bin.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("0"), struct.pack("<4Q", 5000, one.blocks[0][0], 0, 0))
    write_gzip("drmemtrace.txt.gz", interleave([one, two]).encode())


def make_champsim():
    rng, records, lines, ip = random.Random(6), [], [], 0x400000
    steps = []
    for i in range(800):
        branch, taken = rng.random() < 0.2, False
        length = rng.randrange(1, 12)
        read = [0x7F0000000000 + 8 * rng.randrange(1 << 20) if rng.random() < 0.2 else 0 for _ in range(4)]
        write = [0x7FFD00000000 - 8 * rng.randrange(1 << 9) if rng.random() < 0.2 else 0 for _ in range(2)]
        taken = branch and rng.random() < 0.6
        records.append(struct.pack("<QBB2B4B2Q4Q", ip, branch, taken, 1, 2, 3, 4, 5, 6, *write, *read))
        steps.append((ip, taken, read, write))
        ip = 0x400000 + 16 * rng.randrange(1 << 12) if taken else ip + length
    for i, (ip, taken, read, write) in enumerate(steps):
        length = steps[i + 1][0] - ip if i + 1 < len(steps) else 0
        if taken or not 1 <= length <= 15:
            length = min(4, 4096 - ip % 4096)
        lines.append(f"I  {ip:08x},{length}")
        data = [" L %x,8" % va for va in read if va] + [" S %x,8" % va for va in write if va]
        lines += [line + (" +" if k else "") for k, line in enumerate(data)]
    with open("steps.champsim", "wb") as file:
        file.write(b"".join(records))
    os.utime("steps.champsim", (0, 0))
    for command in (["gzip", "-9nkf"], ["xz", "-9kf"], ["zstd", "-19qkf", "--no-progress"], ["bzip2", "-9kf"]):
        subprocess.run(command + ["steps.champsim"], check=True)
    subprocess.run(["lz4", "-9qf", "steps.champsim", "steps.champsim.lz4"], check=True)
    if os.path.exists("steps.champsim.zip"):
        os.remove("steps.champsim.zip")
    subprocess.run(["zip", "-9Xq", "steps.champsim.zip", "steps.champsim"], check=True, env={**os.environ, "TZ": "UTC"})
    os.remove("steps.champsim")
    write_gzip("steps.txt.gz", ("\n".join(lines) + "\n").encode())


make_drmemtrace()
make_champsim()
