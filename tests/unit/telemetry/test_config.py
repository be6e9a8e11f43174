import pytest
from pydantic import ValidationError

from collector.telemetry.config import TelemetryConfig


def reader(**prometheus) -> dict:
    return {"readers": [{"pull": {"exporter": {"prometheus": prometheus}}}]}


@pytest.mark.parametrize(
    ("metrics", "endpoint"),
    [
        pytest.param({}, "localhost:8888", id="default"),
        pytest.param({"level": "none"}, None, id="off"),
        pytest.param({"readers": []}, None, id="no reader"),
        pytest.param({"address": "127.0.0.1:9999"}, "127.0.0.1:9999", id="old spelling"),
        pytest.param(reader(host="0.0.0.0", port=9090), "0.0.0.0:9090", id="reader"),
        pytest.param(reader(host="::1", without_units=True), "[::1]:8888", id="v6"),
        pytest.param({"level": "Detailed"}, "localhost:8888", id="any case"),
    ],
)
def test_the_metrics_endpoint_is_where_the_configuration_says(metrics, endpoint):
    assert TelemetryConfig.model_validate({"metrics": metrics}).metrics.endpoint == endpoint


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        pytest.param({"metrics": {"address": "8888"}}, "such as localhost:4318", id="address"),
        pytest.param({"metrics": {"readers": [{"periodic": {}}]}}, "Extra inputs", id="unknown reader"),
        pytest.param({"logs": {"level": "loud"}}, "'debug', 'info', 'warn' or 'error'", id="level"),
    ],
)
def test_what_is_not_understood_is_refused(block, complaint):
    with pytest.raises(ValidationError, match=complaint):
        TelemetryConfig.model_validate(block)


def test_an_empty_block_is_the_default():
    assert TelemetryConfig.model_validate(None) == TelemetryConfig()
