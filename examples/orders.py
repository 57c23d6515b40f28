"""Orders are charged one by one: kill the process in the middle, start it again."""

import time

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowBuilder, task


def charge(order: str, key: str) -> None:
    """Stands for a payment service, which is slow and must not be asked twice."""
    print(f"charging {order}", flush=True)
    time.sleep(1)
    with open("charges.log", "a") as log:
        log.write(f"{order} {key}\n")


with WorkflowBuilder("orders"):

    @task()
    def load(context: Context) -> None:
        context["orders"] = ["A-1", "A-2", "A-3"]

    @task(dependencies=[load])
    def first(context: Context, handle: TaskHandle) -> None:
        charge(context["orders"][0], handle.idempotency_key)

    @task(dependencies=[first])
    def second(context: Context, handle: TaskHandle) -> None:
        charge(context["orders"][1], handle.idempotency_key)

    @task(dependencies=[second])
    def third(context: Context, handle: TaskHandle) -> None:
        charge(context["orders"][2], handle.idempotency_key)

    @task(dependencies=[third])
    def report(context: Context) -> None:
        context["report"] = f"{len(context['orders'])} orders charged"


if __name__ == "__main__":
    with DefaultRunner("sqlite:///orders.db") as runner:
        result = runner.submit("orders", idempotency_key="2026-11-30").result()
        print(result.status, result.final_context["report"])
