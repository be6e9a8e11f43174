import asyncio

import httpx2
import pytest

from collector.api import ComponentStatus, State
from collector.http import bind
from collector.telemetry.catalogue import OTTERY_COMPONENT_STATE
from collector.telemetry.health import FACTORY, HealthBoard, HealthCheckConfig, Readiness, readiness
from collector.testing import SAMPLE_TIME, FakeClock, RecordingMetrics, settings


def status(kind: str, state: State, message: str = "", name: str = "x") -> ComponentStatus:
    return ComponentStatus(name, kind, state, SAMPLE_TIME, message)


RECEIVER = status("receivers", State.OK, name="otlp")
RUNNING = [RECEIVER, status("pipelines", State.OK, name="traces"), status("exporters", State.OK, name="ch")]


@pytest.fixture
def clock():
    return FakeClock()


async def test_the_board_says_since_when_a_component_is_how_it_is(clock):
    metrics = RecordingMetrics()
    board = HealthBoard(clock, metrics)
    report = board.report("exporters", "clickhouse")
    report(State.STARTING)
    await clock.advance(1)
    report(State.DEGRADED, "connection refused")
    await clock.advance(1)
    report(State.DEGRADED, "timed out")
    [found] = board.statuses()
    assert found == ComponentStatus("clickhouse", "exporters", State.DEGRADED, SAMPLE_TIME + 1_000_000_000, "timed out")
    by_state = {
        state: metrics.value(OTTERY_COMPONENT_STATE, component="clickhouse", kind="exporters", state=state)
        for state in State
    }
    assert [state for state, value in by_state.items() if value] == [State.DEGRADED]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param([], Readiness(False, False, ("no receiver is running",)), id="nothing yet"),
        pytest.param(RUNNING, Readiness(True, True, ()), id="all well"),
        pytest.param(
            [status("receivers", State.STARTING, name="otlp"), *RUNNING[1:]],
            Readiness(False, False, ("receivers.otlp is starting",)),
            id="a receiver is not bound yet",
        ),
        pytest.param(
            [status("receivers", State.STOPPED), *RUNNING[1:]],
            Readiness(False, False, ("no receiver is running",)),
            id="stopping",
        ),
        pytest.param(
            [RECEIVER, status("pipelines", State.FAILED, "full", "traces"), RUNNING[2]],
            Readiness(True, False, ("pipelines.traces is failed: full",)),
            id="a log takes nothing",
        ),
        pytest.param(
            [RECEIVER, status("delivery", State.DEGRADED, "down")], Readiness(True, True, ()), id="a sink is down"
        ),
        pytest.param(
            [RECEIVER, status("delivery", State.FAILED, "no", "a"), status("delivery", State.OK, name="b")],
            Readiness(True, True, ()),
            id="one of two cursors failed",
        ),
        pytest.param(
            [RECEIVER, status("delivery", State.FAILED, "no", "a"), status("delivery", State.FAILED, name="b")],
            Readiness(True, False, ("delivery.a is failed: no", "delivery.b is failed")),
            id="every cursor failed",
        ),
        pytest.param(
            [RECEIVER, status("exporters", State.FAILED, name="ch")],
            Readiness(True, False, ("exporters.ch is failed",)),
            id="the only exporter failed",
        ),
        pytest.param(
            [*RUNNING, status("receivers", State.STOPPED, name="gone")],
            Readiness(True, True, ()),
            id="what a reload took away does not count",
        ),
    ],
)
def test_ready_means_bound_receivers_a_log_with_room_and_one_exporter_that_can_work(statuses, expected):
    assert readiness(statuses) == expected


@pytest.fixture
async def ask(clock):
    """Start the extension over the given statuses and return a client for it."""
    running = []

    async def start(statuses, **config):
        config = HealthCheckConfig(endpoint="127.0.0.1:0", **config)
        extension = FACTORY.create(config, settings(clock=clock, status=lambda: statuses))
        await extension.start()
        client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{extension.port}")
        running.append((extension, client))
        return client

    yield start
    for extension, client in running:
        await client.aclose()
        await extension.stop()


async def test_a_probe_is_answered_as_by_the_opentelemetry_collector(ask, clock):
    client = await ask(RUNNING)
    await clock.advance(2.5)
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "status": "Server available",
        "upSince": "2026-01-01T00:00:00.000Z",
        "uptime": "2.500s",
    }


async def test_before_receivers_are_bound_the_answer_is_503(ask):
    client = await ask([])
    answers = [(await client.get(path)).status_code for path in ("/", "/live", "/ready", "/status")]
    assert answers == [503, 200, 503, 200]
    assert (await client.get("/")).json() == {
        "status": "Server not available",
        "reasons": ["no receiver is running"],
    }


async def test_ready_says_why_not(ask):
    client = await ask([RECEIVER, status("exporters", State.FAILED, "no such database", "ch")])
    answer = await client.get("/ready")
    reasons = ["exporters.ch is failed: no such database"]
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reasons": reasons})
    assert (await client.get("/")).status_code == 200


async def test_status_tells_how_every_component_is(ask):
    client = await ask([RECEIVER, status("exporters", State.DEGRADED, "refused", "ch")])
    assert (await client.get("/status")).json() == {
        "serving": True,
        "ready": True,
        "reasons": [],
        "components": [
            {"id": "otlp", "kind": "receivers", "state": "ok", "since": "2026-01-01T00:00:00.000Z", "message": ""},
            {
                "id": "ch",
                "kind": "exporters",
                "state": "degraded",
                "since": "2026-01-01T00:00:00.000Z",
                "message": "refused",
            },
        ],
    }


async def test_the_path_and_the_answers_can_be_chosen(ask):
    body = {"healthy": "fine", "unhealthy": "ill"}
    well, ill = [await ask(found, path="/healthz", response_body=body) for found in (RUNNING, [])]
    answers = [await client.get("/healthz") for client in (well, ill)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "fine"), (503, "ill")]
    assert (await well.get("/")).status_code == 404


async def test_only_get_and_head_are_answered(ask):
    client = await ask(RUNNING)
    refused = await client.post("/ready")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert ((await client.head("/ready")).status_code, (await client.head("/ready")).content) == (200, b"")


@pytest.mark.parametrize("config", [{"endpoint": "13133"}, {"path": "healthz"}])
def test_a_configuration_that_cannot_work_is_refused(config):
    with pytest.raises(ValueError, match="such as"):
        HealthCheckConfig(**config)


async def test_reports_may_come_from_threads(clock):
    board = HealthBoard(clock, RecordingMetrics())
    reports = [board.report("receivers", str(number)) for number in range(50)]
    await asyncio.gather(*(asyncio.to_thread(report, State.OK) for report in reports))
    assert len(board.statuses()) == 50


async def test_an_address_in_use_stops_the_start_and_is_named(clock):
    with bind("127.0.0.1:0") as taken:
        config = HealthCheckConfig(endpoint=f"127.0.0.1:{taken.getsockname()[1]}")
        extension = FACTORY.create(config, settings(clock=clock))
        with pytest.raises(
            Exception, match=f"cannot listen on {config.endpoint}: another process listens there; stop it"
        ):
            await extension.start()
        await extension.stop()
