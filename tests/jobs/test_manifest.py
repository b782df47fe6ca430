"""What the start refuses of a manifest's `later` and `periodic`."""

from tests.architecture.test_manifests import CONTAINER, PUBLISHER, manifest, package, refusal  # noqa: F401 (a fixture)

NO_REPOSITORY = CONTAINER.replace("    repository = providers.Singleton(Notes)\n", "")
PERIODIC = "from shared.jobs import Periodic\n"


def subscriber(arguments, before=NO_REPOSITORY):
    return manifest("b", f"requires=('a',), {arguments}", before, "Container")


class TestLater:
    def test_refuses_an_event_that_nobody_in_reach_publishes(self, package):  # noqa: F811
        name = package(a=PUBLISHER, b=manifest("b", "later={Done: Service.take}", NO_REPOSITORY, "Container"))
        assert refusal(name) == ("Module 'b' handles Done later, which neither it nor a required module publishes.")

    def test_refuses_what_is_no_method_of_the_service(self, package):  # noqa: F811
        name = package(a=PUBLISHER, b=subscriber("later={Done: Stranger.take}"))
        assert refusal(name) == (
            "Module 'b' handles Done later by take, which is no method of what its container makes: name one that is."
        )

    def test_refuses_an_event_that_has_no_form_in_the_queue(self, package):  # noqa: F811
        event = "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Done(Event):\n    what: object()"
        publisher = PUBLISHER.replace("class Done(Event): pass", event)
        refused = refusal(package(a=publisher, b=subscriber("later={Done: Service.take}")))
        assert refused.startswith("Module 'b' handles Done later, whose fields have no form in the queue: ")

    def test_takes_an_event_of_the_modules_own(self, package):  # noqa: F811
        from shared.manifest import discover

        own = NO_REPOSITORY.replace(
            "from ..a.module import Done", "from shared.events import Event\nclass Done(Event): pass"
        )
        source = manifest("b", "publishes=(Done,), later={Done: Service.take}", own, "Container")
        assert [module.name for module in discover(package(b=source))] == ["b"]


class TestPeriodic:
    def test_refuses_what_is_no_method_of_the_service(self, package):  # noqa: F811
        periodic = subscriber("periodic=(Periodic(Stranger.take, every='day'),)", PERIODIC + NO_REPOSITORY)
        assert refusal(package(a=PUBLISHER, b=periodic)) == (
            "Module 'b' does something every day by take, which is no method of what its container makes: name "
            "one that is."
        )

    def test_refuses_a_period_that_there_is_not(self, package):  # noqa: F811
        periodic = subscriber("periodic=(Periodic(Service.take, every='fortnight'),)", PERIODIC + NO_REPOSITORY)
        assert refusal(package(a=PUBLISHER, b=periodic)) == (
            "Module 'b' does something every fortnight, but a period is one of: minute, hour, day, week."
        )
