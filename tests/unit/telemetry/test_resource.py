from collector.telemetry.resource import resource


def test_a_process_has_a_name_a_version_and_an_id_of_its_own():
    first, second = resource({}, {}, "1.2"), resource({}, {}, "1.2")
    assert (first["service.name"], first["service.version"]) == ("ottery", "1.2")
    assert first["service.instance.id"] != second["service.instance.id"]


def test_the_configuration_is_stronger_than_the_environment():
    environment = {
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=a%20b, service.name=weak,broken,k8s.node.name=n1",
        "OTEL_SERVICE_NAME": "edge",
    }
    configured = {"k8s.node.name": "n2", "service.instance.id": None}
    assert resource(configured, environment, "1") == {
        "service.name": "edge",
        "service.version": "1",
        "host.name": "a b",
        "k8s.node.name": "n2",
    }
