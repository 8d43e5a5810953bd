"""Hands out tasks within one trace: `mail_clerk.py 30` sends thirty letters, `sort` asks for one slow task, without a number one of each kind."""

import sys

import mail_tasks
from opentelemetry import trace

with trace.get_tracer("clerk").start_as_current_span("morning"):
    if sys.argv[1:] == ["sort"]:
        mail_tasks.sort.delay()
    elif len(sys.argv) > 1:
        for number in range(int(sys.argv[1])):
            mail_tasks.send.delay(f"letter {number}")
    else:
        mail_tasks.send.delay("ada")  # sent
        mail_tasks.insist.apply_async()
        mail_tasks.lose.delay()
        mail_tasks.forward.delay()
        if not mail_tasks.app.conf.task_always_eager:
            mail_tasks.app.send_task("mail_tasks.send", ("by name",))  # by name
