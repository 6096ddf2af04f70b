"""A program whose children work too: begun in one of three ways, as processes or as a pool; argv says which."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import sys

from served_program import work


def several():
    """Do three pieces of work, in a child that ends right afterwards."""
    for _ in range(3):
        work()


def main(method, kind):
    """Do five pieces of work here, and six in children."""
    context = multiprocessing.get_context(method)
    work()
    work()
    if kind == "processes":
        children = [context.Process(target=several) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0]
    else:
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            for done in [pool.submit(several) for _ in range(2)]:
                done.result()
    asyncio.run(in_threads())


async def in_threads():
    """Do three pieces of work at the same time."""
    await asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))


if __name__ == "__main__":
    main(*sys.argv[1:])
