import inspect

from flows.rehearse import planned
from flows.serving_commands import rehearse, up


def test_commands_that_serve_have_a_port_and_say_what_each_option_does():
    for command in (up, rehearse):
        assert inspect.signature(command).parameters["port"].default > 1024
        assert "Args:" in inspect.getdoc(command)


def test_the_options_of_a_rehearsal_are_those_that_its_plan_takes():
    options = set(inspect.signature(rehearse).parameters) - {"port", "plan", "log", "state", "common"}
    assert options == set(inspect.signature(planned).parameters) - {"file"}
