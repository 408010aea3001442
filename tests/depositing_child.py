"""A process that stores inputs from several threads and says which are stored, until it dies."""

import itertools
import sys
import threading

from serving.adapters.payloads import PayloadStore

THREADS = 8
store, said = PayloadStore(sys.argv[1]), threading.Lock()


def bring(thread: int) -> None:
    for number in itertools.count():
        data = f"input {number} of {thread}, or of {number % 3}".encode()
        digest = store.deposit(data).result()
        with said:
            sys.stdout.write(f"{digest}\t{data.decode()}\n")
            sys.stdout.flush()


for thread in range(THREADS):
    threading.Thread(target=bring, args=(thread,)).start()
