"""Keep a few jobs under way, however many there are to run: as one ends, the next is submitted."""

import bourn
from bourn import Jobspec

WINDOW, TOTAL = 4, 20
most = running = 0

with bourn.Handle() as h:
    specs = (Jobspec.from_command(["sh", "-c", f": step {i}"]) for i in range(TOTAL))
    for spec in specs:
        if running == WINDOW:
            bourn.job.wait(h)
            running -= 1
        bourn.job.submit(h, spec, waitable=True)
        running += 1
        most = max(most, running)
    while running:
        assert bourn.job.wait(h).success
        running -= 1
print(f"{TOTAL} jobs, at most {most} at a time")
