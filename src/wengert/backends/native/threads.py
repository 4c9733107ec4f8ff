"""Threads that work on the pieces of one job together.

A job is a function of a context, the number of a piece, and a seat: each thread that takes part has
a seat of its own, and so memory of its own. Which thread takes which piece is left to chance, and
what a piece computes is not: results never depend on the number of threads.

Threads are made when they are first needed, by the job's caller, and stay; they block all signals,
never touch Python, and sleep between jobs after a short wait. A process that was forked has none
of them and makes its own. While a job runs, whoever has another one does it alone: a thread that
holds no GIL, or a piece that begins a job. On a machine that has other work, where a thread that
holds a piece may stand still, leaders take no threads for a while.

What threads share, and why that is safe (``acquire``, ``release`` and so on as in C++):

- ``busy`` is exchanged by who wants to lead a job, with acquire, and given back with release. Of
  all that follows, ``process``, ``workers``, ``refused``, ``penalty`` and ``pauses`` are the
  leader's alone.
- ``ticket`` is a job's number, the seats that are free and the pieces that are left. The leader
  writes it (sequentially consistent); seats and pieces are taken by compare-and-swap, which fails
  if the job is another one by now: who has taken a piece knows that the job lasts until it says
  that the piece is finished.
- ``job`` (function and context) is written by the leader before the ticket, and read by who has
  taken a piece: the swap (acquire) is part of the release sequence of the leader's store. It is
  written again when all pieces are finished, when nobody reads it.
- ``unfinished`` counts the pieces that are not finished. Who finishes one subtracts with release;
  the leader reads it with acquire until it is 0, and then sees what all pieces wrote.
- ``sleeping`` counts who waits, or is about to wait, on the condition. Either the sleeper, who
  counts itself first and reads the ticket then, sees the new ticket, or the leader, who writes the
  ticket first and reads the count then, sees the sleeper (both sequentially consistent) and passes
  through the mutex, which the sleeper holds from its count until it waits: no signal is lost.

The code is IR itself, since it is about nothing but the order of loads and stores. It is never
unloaded, as threads are in it until the process ends.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from wengert.backends.native.engine import Engine

RUN = "run"  # the symbol of ``run(body, context, pieces, threads)``
COUNT = "threads"  # the symbol whose address is the number of threads
SEATS = "seats"  # the symbol of the memory that each thread has a share of

_AWAKE = 50_000  # nanoseconds without work after which a thread sleeps
_PATIENCE = 2000  # looks at the unfinished pieces until the leader lets others run in between
_PAUSES = 63  # jobs at most that are done alone after one that took longer than it would have alone
_LIBC = (
    "getpid", "sched_yield", "clock_gettime", "pthread_sigmask", "pthread_create", "pthread_detach",
    "pthread_mutex_init", "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_init",
    "pthread_cond_wait", "pthread_cond_signal", "pthread_cond_broadcast",
)  # fmt: skip

# ---------------------------------------------------------------- the code

_ALONE = """
define void @alone(ptr %body, ptr %context, i64 %pieces) #0 {
start:
  br label %head
head:
  %left = phi i64 [%pieces, %start], [%piece, %inside]
  %over = icmp eq i64 %left, 0
  br i1 %over, label %done, label %inside
inside:
  %piece = sub i64 %left, 1
  call void %body(ptr %context, i64 %piece, i64 0)
  br label %head
done:
  ret void
}

define void @run_alone(ptr %body, ptr %context, i64 %pieces, i64 %threads) #0 {
  call void @alone(ptr %body, ptr %context, i64 %pieces)
  ret void
}

attributes #0 = { nounwind }
"""

# Globals have lines of their own, so that no thread waits for what it does not read.
_TOGETHER = """
@busy = internal global i32 0, align 128
@ticket = internal global i64 0, align 128
@unfinished = internal global i64 0, align 128
@job = internal global [2 x ptr] zeroinitializer, align 128
@sleeping = internal global i32 0, align 128
@mutex = internal global [128 x i8] zeroinitializer, align 128
@condition = internal global [128 x i8] zeroinitializer, align 128
@process = internal global i32 0, align 128
@workers = internal global i64 0, align 8
@refused = internal global i64 0, align 8
@penalty = internal global i64 0, align 8
@pauses = internal global i64 0, align 8
@every_signal = internal constant [128 x i8] c"{every_signal}", align 16

declare void @{pause}
declare i32 @getpid()
declare i32 @sched_yield()
declare i32 @clock_gettime(i32, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)

; ------------------------------------------------ a job

define void @run(ptr %body, ptr %context, i64 %pieces, i64 %threads) #0 {
start:
  %few = icmp ult i64 %pieces, %threads
  %wanted = select i1 %few, i64 %pieces, i64 %threads
  %single = icmp ule i64 %wanted, 1
  %many = icmp ugt i64 %pieces, 65535
  %by_one = or i1 %single, %many
  br i1 %by_one, label %without, label %ask
ask:
  %was = atomicrmw xchg ptr @busy, i32 1 acquire
  %taken = icmp ne i32 %was, 0
  br i1 %taken, label %without, label %lead
without:
  call void @alone(ptr %body, ptr %context, i64 %pieces)
  ret void
lead:
  %helpers = sub i64 %wanted, 1
  call void @prepare(i64 %helpers)
  %pauses = load i64, ptr @pauses, align 8
  %pausing = icmp ne i64 %pauses, 0
  br i1 %pausing, label %pause, label %share
pause:
  %fewer = sub i64 %pauses, 1
  store i64 %fewer, ptr @pauses, align 8
  call void @alone(ptr %body, ptr %context, i64 %pieces)
  br label %leave
share:
  %begin = call i64 @nanoseconds(i32 {clock})
  %begin_own = call i64 @nanoseconds(i32 {own_clock})
  store ptr %body, ptr @job, align 8
  %place = getelementptr i8, ptr @job, i64 8
  store ptr %context, ptr %place, align 8
  store atomic i64 %pieces, ptr @unfinished monotonic, align 8
  %old = load atomic i64, ptr @ticket monotonic, align 8
  %before = lshr i64 %old, 32
  %number = add i64 %before, 1
  %high = shl i64 %number, 32
  %seats = shl i64 %helpers, 16
  %low = or i64 %seats, %pieces
  %new = or i64 %high, %low
  store atomic i64 %new, ptr @ticket seq_cst, align 8
  %asleep = load atomic i32, ptr @sleeping seq_cst, align 4
  %anyone = icmp sgt i32 %asleep, 0
  br i1 %anyone, label %wake, label %go
wake:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %one = icmp eq i64 %helpers, 1
  br i1 %one, label %wake_one, label %wake_all
wake_one:
  %signalled = call i32 @pthread_cond_signal(ptr @condition)
  br label %go
wake_all:
  %spread = call i32 @pthread_cond_broadcast(ptr @condition)
  br label %go
go:
  %job = lshr i64 %new, 32
  %own = call i64 @work(i64 %job, i64 0)
  %worked = call i64 @nanoseconds(i32 {clock})
  br label %wait
wait:
  %looks = phi i64 [0, %go], [%looked, %again]
  %missing = load atomic i64, ptr @unfinished acquire, align 8
  %complete = icmp eq i64 %missing, 0
  br i1 %complete, label %done, label %more
more:
  call void @{pause_call}
  %patient = icmp ult i64 %looks, {patience}
  br i1 %patient, label %again, label %yield
yield:
  %yielded = call i32 @sched_yield()
  br label %again
again:
  %looked = add i64 %looks, 1
  br label %wait
done:
  %end = call i64 @nanoseconds(i32 {clock})
  %end_own = call i64 @nanoseconds(i32 {own_clock})
  %lasted = sub i64 %end, %begin
  %running = sub i64 %end_own, %begin_own
  %busily = sub i64 %worked, %begin
  call void @judge(i64 %lasted, i64 %running, i64 %busily, i64 %own, i64 %pieces)
  br label %leave
leave:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

; Was it worth while? If the leader would have taken less by itself, or did not run all the time,
; as on a machine that has other work, it pauses for some jobs: twice as many as the last time.
define internal void @judge(i64 %lasted, i64 %running, i64 %busily, i64 %own, i64 %pieces) #0 {
  %four = mul i64 %lasted, 4
  %five = mul i64 %running, 5
  %stood = icmp ugt i64 %four, %five
  %by_pieces = mul i64 %busily, %pieces
  %limit = mul i64 %by_pieces, 5
  %by_own = mul i64 %lasted, %own
  %taken = mul i64 %by_own, 4
  %slower = icmp ugt i64 %taken, %limit
  %bad = or i1 %stood, %slower
  %before = load i64, ptr @penalty, align 8
  %twice = mul i64 %before, 2
  %more = add i64 %twice, 1
  %least = icmp ult i64 %more, {pauses}
  %bounded = select i1 %least, i64 %more, i64 {pauses}
  %penalty = select i1 %bad, i64 %bounded, i64 0
  store i64 %penalty, ptr @penalty, align 8
  store i64 %penalty, ptr @pauses, align 8
  ret void
}

; Pieces of a job until none is left, by who has a seat; gives how many.
define internal i64 @work(i64 %job, i64 %seat) #0 {
start:
  br label %look
look:
  %count = phi i64 [0, %start], [%count, %take], [%counted, %do]
  %ticket = load atomic i64, ptr @ticket monotonic, align 8
  %number = lshr i64 %ticket, 32
  %other = icmp ne i64 %number, %job
  %left = and i64 %ticket, 65535
  %none = icmp eq i64 %left, 0
  %over = or i1 %other, %none
  br i1 %over, label %done, label %take
take:
  %less = sub i64 %ticket, 1
  %swap = cmpxchg ptr @ticket, i64 %ticket, i64 %less acq_rel monotonic
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %do, label %look
do:
  %piece = sub i64 %left, 1
  call void @piece(i64 %piece, i64 %seat)
  %counted = add i64 %count, 1
  br label %look
done:
  ret i64 %count
}

; One piece, which is taken.
define internal void @piece(i64 %piece, i64 %seat) #0 {
  %body = load ptr, ptr @job, align 8
  %place = getelementptr i8, ptr @job, i64 8
  %context = load ptr, ptr %place, align 8
  call void %body(ptr %context, i64 %piece, i64 %seat)
  %count = atomicrmw sub ptr @unfinished, i64 1 release
  ret void
}

; ------------------------------------------------ threads

; At least so many workers, if the system gives them; by who leads.
define internal void @prepare(i64 %helpers) #0 {
start:
  %thread = alloca i64, align 8
  %signals = alloca [128 x i8], align 16
  %now = call i32 @getpid()
  %process = load i32, ptr @process, align 4
  %same = icmp eq i32 %now, %process
  br i1 %same, label %count, label %fresh
fresh:  ; the first job of the process
  %mutex = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %condition = call i32 @pthread_cond_init(ptr @condition, ptr null)
  store atomic i32 0, ptr @sleeping seq_cst, align 4
  store i64 0, ptr @workers, align 8
  store i64 0, ptr @refused, align 8
  store i64 0, ptr @penalty, align 8
  store i64 0, ptr @pauses, align 8
  store i32 %now, ptr @process, align 4
  br label %count
count:
  %workers = load i64, ptr @workers, align 8
  %enough = icmp uge i64 %workers, %helpers
  %refused = load i64, ptr @refused, align 8
  %never = icmp ne i64 %refused, 0
  %stop = or i1 %enough, %never
  br i1 %stop, label %done, label %make
make:
  %masked = call i32 @pthread_sigmask(i32 {set_mask}, ptr @every_signal, ptr %signals)
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr null)
  %unmasked = call i32 @pthread_sigmask(i32 {set_mask}, ptr %signals, ptr null)
  %good = icmp eq i32 %failed, 0
  br i1 %good, label %made, label %give_up
made:
  %id = load i64, ptr %thread, align 8
  %detached = call i32 @pthread_detach(i64 %id)
  %following = add i64 %workers, 1
  store i64 %following, ptr @workers, align 8
  br label %count
give_up:
  store i64 1, ptr @refused, align 8
  br label %done
done:
  ret void
}

; Are a seat and a piece free?
define internal i1 @open(i64 %ticket) #0 {
  %left = and i64 %ticket, 65535
  %shifted = lshr i64 %ticket, 16
  %seats = and i64 %shifted, 65535
  %piece = icmp ne i64 %left, 0
  %seat = icmp ne i64 %seats, 0
  %both = and i1 %piece, %seat
  ret i1 %both
}

; A seat and the first piece of a job if both are free: was there such a job?
define internal i1 @join() #0 {
start:
  br label %look
look:
  %ticket = load atomic i64, ptr @ticket seq_cst, align 8
  %open = call i1 @open(i64 %ticket)
  br i1 %open, label %take, label %none
take:
  %less = sub i64 %ticket, 65537
  %swap = cmpxchg ptr @ticket, i64 %ticket, i64 %less acq_rel monotonic
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %do, label %look
do:
  %left = and i64 %ticket, 65535
  %piece = sub i64 %left, 1
  %shifted = lshr i64 %ticket, 16
  %seat = and i64 %shifted, 65535
  call void @piece(i64 %piece, i64 %seat)
  %job = lshr i64 %ticket, 32
  %more = call i64 @work(i64 %job, i64 %seat)
  ret i1 true
none:
  ret i1 false
}

define internal i64 @nanoseconds(i32 %clock) #0 {
  %time = alloca [2 x i64], align 8
  %failed = call i32 @clock_gettime(i32 %clock, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %place = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %place, align 8
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}

define internal ptr @worker(ptr %unused) #0 {
start:
  br label %look
look:
  %looks = phi i64 [0, %start], [%following, %again], [0, %woken]
  %since = phi i64 [0, %start], [%began, %again], [0, %woken]
  %joined = call i1 @join()
  br i1 %joined, label %again, label %idle
idle:
  call void @{pause_call}
  %some = and i64 %looks, 63
  %due = icmp eq i64 %some, 0
  br i1 %due, label %clock, label %again
clock:
  %now = call i64 @nanoseconds(i32 {clock})
  %first = icmp eq i64 %looks, 0
  %begin = select i1 %first, i64 %now, i64 %since
  %waited = sub i64 %now, %begin
  %enough = icmp ugt i64 %waited, {awake}
  br i1 %enough, label %sleep, label %again
again:
  %began = phi i64 [0, %look], [%since, %idle], [%begin, %clock]
  %next = add i64 %looks, 1
  %following = select i1 %joined, i64 0, i64 %next
  br label %look
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %counted = atomicrmw add ptr @sleeping, i32 1 seq_cst
  br label %check
check:
  %ticket = load atomic i64, ptr @ticket seq_cst, align 8
  %open = call i1 @open(i64 %ticket)
  br i1 %open, label %woken, label %doze
doze:
  %slept = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %check
woken:
  %uncounted = atomicrmw sub ptr @sleeping, i32 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %look
}
"""


def text_of(*, arm: bool, apple: bool) -> str:
    """The code for a kind of machine with POSIX threads."""
    pause = "llvm.aarch64.hint" if arm else "llvm.x86.sse2.pause"
    parts = {
        "pause": f"{pause}(i32 immarg)" if arm else f"{pause}()",
        "pause_call": f"{pause}(i32 1)" if arm else f"{pause}()",
        "set_mask": "3" if apple else "2",
        "every_signal": r"\FF" * 128,
        "clock": "6" if apple else "1",
        "own_clock": "16" if apple else "3",
        "awake": str(_AWAKE),
        "patience": str(_PATIENCE),
        "pauses": str(_PAUSES),
    }
    text = _TOGETHER
    for name, value in parts.items():
        text = text.replace(f"{{{name}}}", value)
    return text + _ALONE


# ---------------------------------------------------------------- where it is


def symbols_of(engine: Engine, count: int) -> dict[str, int]:
    """What code that has pieces is linked with, for so many threads."""
    together, alone = _addresses(engine)
    return {RUN: together if count > 1 else alone, COUNT: count}


@cache
def _addresses(engine: Engine) -> tuple[int, int]:
    """Of ``run`` for several threads, and for one."""
    libc = _libc()
    if libc is None:
        library = engine.load(_ALONE, ["run_alone"])
        both = library["run_alone"], library["run_alone"]
    else:
        triple = engine.host.triple
        text = text_of(arm=triple.startswith(("aarch64", "arm64")), apple=sys.platform == "darwin")
        library = engine.load(text, ["run", "run_alone"], libc)
        both = library["run"], library["run_alone"]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))  # see above: never unloaded
    return both


def _libc() -> dict[str, int] | None:
    """The addresses of what is needed of the system; None if it has no such threads."""
    if sys.platform == "win32":
        return None
    try:
        own = ctypes.CDLL(None)
        return {name: ctypes.cast(getattr(own, name), ctypes.c_void_p).value or 0 for name in _LIBC}
    except (OSError, AttributeError):
        return None
