"""What the tests of batches share: operations, how they are run, and what becomes of them."""

from tests.contract.test_problems import is_problem

TAG = {"method": "POST", "path": "/tags", "body": {"name": "Urgent"}}
PROJECT = {"method": "POST", "path": "/projects", "body": {"name": "Move", "tag_ids": [{"$ref": "/0/id"}]}}


async def run(caller, *operations, **options):
    return await caller.post("/batch", json={"operations": operations}, **options)


async def done(caller, *operations, **options):
    answer = await run(caller, *operations, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def failed(answer, status, index, code):
    """The problem of the operation that failed the batch."""
    problem = is_problem(answer, status, "batch_failed")
    assert (problem["index"], problem["problem"]["code"], problem["problem"]["status"]) == (index, code, status)
    return problem["problem"]


def refused(answer, pointer):
    """The code of what is wrong there."""
    problem = is_problem(answer, 422, "invalid_input")
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    return error["code"]
