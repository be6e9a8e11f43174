"""Which web pages may send: answers without credentials, from an exact list of origins."""

import pytest

PROTO = {"content-type": "application/x-protobuf"}
SHOP = "https://shop.example"


def cors_of(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def ask(client, origin, path="/v1/traces"):
    return await client.options(path, headers={"origin": origin, "access-control-request-method": "POST"})


ALLOWED = [
    pytest.param([SHOP], SHOP, SHOP, id="exact"),
    pytest.param([SHOP, "https://b.example"], "https://b.example", "https://b.example", id="one of several"),
    pytest.param(["https://*.shop.example"], "https://eu.shop.example", "https://eu.shop.example", id="subdomain"),
    pytest.param(["http://*", "https://*"], SHOP, SHOP, id="a scheme"),
    pytest.param(["http://localhost:*"], "http://localhost:3000", "http://localhost:3000", id="a port"),
    pytest.param(["*"], "https://anywhere.example", "*", id="any"),
]


@pytest.mark.parametrize(("origins", "origin", "told"), ALLOWED)
async def test_an_allowed_page_may_send_and_read_the_delay(start_otlp, origins, origin, told):
    async with start_otlp(http={"cors": {"allowed_origins": origins}}) as otlp, otlp.client() as client:
        preflight = await ask(client, origin)
        sent = await client.post("/v1/traces", content=b"", headers={**PROTO, "origin": origin})
        refused = await client.post("/v1/nothing", content=b"", headers={**PROTO, "origin": origin})
    assert (preflight.status_code, preflight.content, preflight.headers["vary"]) == (204, b"", "Origin")
    assert cors_of(preflight) == {
        "access-control-allow-origin": told,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "accept, content-type, content-encoding, x-requested-with",
    }
    allowed = {"access-control-allow-origin": told, "access-control-expose-headers": "Retry-After"}
    assert [(sent.status_code, cors_of(sent)), (refused.status_code, cors_of(refused))] == [
        (200, allowed),
        (404, allowed),
    ]


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("https://evil.example", id="another site"),
        pytest.param("http://shop.example", id="another scheme"),
        pytest.param("https://shop.example:8443", id="another port"),
        pytest.param("https://shop.example.evil.example", id="longer"),
        pytest.param("https://.wild.example", id="no subdomain"),
        pytest.param("null", id="null"),
    ],
)
async def test_another_page_gets_nothing_that_its_browser_would_let_through(start_otlp, origin):
    cors = {"allowed_origins": [SHOP, "https://*.wild.example"]}
    async with start_otlp(http={"cors": cors}) as otlp, otlp.client() as client:
        preflight = await ask(client, origin)
        sent = await client.post("/v1/traces", content=b"", headers={**PROTO, "origin": origin})
    assert (cors_of(preflight), cors_of(sent)) == ({}, {})
    assert (preflight.headers["vary"], sent.headers["vary"]) == ("Origin", "Origin")


async def test_headers_and_the_age_of_the_answer_are_configurable(start_otlp):
    cors = {"allowed_origins": [SHOP], "allowed_headers": ["X-Key"], "exposed_headers": ["X-Id"], "max_age": 600}
    async with start_otlp(http={"cors": cors}) as otlp, otlp.client() as client:
        preflight = await ask(client, SHOP)
        sent = await client.post("/v1/traces", content=b"", headers={**PROTO, "origin": SHOP})
    assert preflight.headers["access-control-allow-headers"].endswith(", x-key")
    assert preflight.headers["access-control-max-age"] == "600"
    assert sent.headers["access-control-expose-headers"] == "X-Id, Retry-After"


async def test_without_cors_a_browsers_question_is_405_and_answers_say_nothing_of_origins(otlp):
    async with otlp.client() as client:
        preflight = await ask(client, SHOP)
        sent = await client.post("/v1/traces", content=b"", headers={**PROTO, "origin": SHOP})
    assert (preflight.status_code, preflight.headers["allow"], sent.status_code) == (405, "POST", 200)
    assert (cors_of(preflight), cors_of(sent)) == ({}, {})
