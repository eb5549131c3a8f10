"""Worker processes that fail, for the tests of the pool."""

import os
import signal
import time


def killed_beside_one_that_hangs(pipe, stop, cores, dataset):
    """On the task of seed 0 it kills itself; on others it hangs, deaf to every request."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    task = pipe.recv()
    key, _, _ = task.cells[0]
    if key[1] == 0:
        pipe.send(('tick', (key, 1)))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


def killed_in_the_middle_of_a_message(pipe, stop, cores, dataset):
    """It dies with half of its result in the pipe; others save when they are asked to."""
    task = pipe.recv()
    key, _, folder = task.cells[0]
    if key[1] == 0:
        os.write(pipe.fileno(), (1000).to_bytes(4, 'big') + b'half')
        os.kill(os.getpid(), signal.SIGKILL)
    while not stop.value:
        time.sleep(0.01)
    (folder / 'saved').write_text('')
    pipe.send(('done', (key, None)))
    pipe.send(('free', None))
    pipe.recv()


def refuses(pipe, stop, cores, dataset):
    """It finds what no cell can help on seed 0; the other saves."""
    task = pipe.recv()
    key, _, _ = task.cells[0]
    while key[1] and not stop.value:
        time.sleep(0.01)
    pipe.send(('done', (key, None)) if key[1] else ('refused', 'the disk is full'))
    pipe.send(('free', None))
    pipe.recv()


def finds_its_cell_in_use(pipe, stop, cores, dataset):
    """Another process runs its cell."""
    pipe.recv()
    pipe.send(('in use', 'cells/a is in use by process 7'))
    pipe.send(('free', None))
    pipe.recv()


def holds_its_core(pipe, stop, cores, dataset):
    """Its results are the cores that it was given."""
    while True:
        key, _, _ = pipe.recv().cells[0]
        pipe.send(('done', (key, {'status': 'completed', 'cores': cores})))
        pipe.send(('free', None))


def tells_its_gpu(pipe, stop, cores, dataset):
    """Its results are the variables that choose a GPU."""
    while True:
        key, _, _ = pipe.recv().cells[0]
        names = 'CUDA_VISIBLE_DEVICES', 'XLA_PYTHON_CLIENT_MEM_FRACTION'
        gpu = ' '.join(os.environ.get(name, '-') for name in names)
        pipe.send(('done', (key, {'status': 'completed', 'gpu': gpu})))
        time.sleep(0.5)  # so that the other worker gets the other cell
        pipe.send(('free', None))
